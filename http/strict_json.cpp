#include "http/strict_json.hpp"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace regroup::http {
namespace {

using Json = nlohmann::json;

/// Builds the value and stops at the first violation. nlohmann_json's own parser with a callback
/// will not do: after each object it searches the whole parent for discarded values, so a list of n
/// empty objects takes time n squared.
class StrictBuilder final : public nlohmann::json_sax<Json> {
public:
  std::optional<Json> take() { return std::move(root_); }

  bool null() override { return put(nullptr); }
  bool boolean(bool value) override { return put(value); }
  bool number_integer(std::int64_t value) override { return put(value); }
  bool number_unsigned(std::uint64_t value) override { return put(value); }
  bool number_float(double value, const std::string& /*text*/) override { return put(value); }
  bool string(std::string& value) override { return put(std::move(value)); }
  bool binary(Json::binary_t& /*value*/) override { return false; } // not part of JSON

  bool start_object(std::size_t /*size*/) override { return open(Json::object()); }
  bool end_object() override { return close(); }
  bool start_array(std::size_t /*size*/) override { return open(Json::array()); }
  bool end_array() override { return close(); }

  bool key(std::string& name) override {
    const auto [member, is_new] = open_.back()->emplace(std::move(name), nullptr);
    member_ = &*member;
    return is_new;
  }

  bool parse_error(std::size_t /*position*/, const std::string& /*token*/,
                   const nlohmann::detail::exception& /*why*/) override {
    return false;
  }

private:
  bool put(Json value) {
    place(std::move(value));
    return true;
  }

  bool open(Json value) {
    if (open_.size() == kMaxJsonDepth)
      return false;
    open_.push_back(place(std::move(value)));
    return true;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  /// Adds the value to its parent and returns its address. The address stays valid while the value
  /// is open, since its parent grows only afterwards.
  Json* place(Json value) {
    if (open_.empty())
      return &root_.emplace(std::move(value));
    if (open_.back()->is_object())
      return &(*member_ = std::move(value));
    open_.back()->push_back(std::move(value));
    return &open_.back()->back();
  }

  std::optional<Json> root_;
  std::vector<Json*> open_;
  Json* member_ = nullptr; // the innermost object's member whose key came last
};

} // namespace

std::optional<Json> parse_strict_json(std::string_view text) {
  // nlohmann_json skips a byte order mark. RFC 8259, section 8.1, has none, and other parsers
  // refuse it.
  if (text.starts_with("\xef\xbb\xbf"))
    return std::nullopt;
  // nlohmann_json takes a NUL for the end of the text. JSON does not allow one (RFC 8259, section
  // 7).
  if (text.find('\0') != text.npos)
    return std::nullopt;
  StrictBuilder builder;
  if (!Json::sax_parse(text.begin(), text.end(), &builder))
    return std::nullopt;
  return builder.take();
}

} // namespace regroup::http
