#include "text/json_text.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>

namespace regroup::text {
namespace {

/// Whether some of the eight characters is a control, '"', '\\', DEL, or no ASCII.
constexpr bool is_special(std::uint64_t eight) {
  constexpr std::uint64_t kOnes = 0x0101010101010101U;
  constexpr std::uint64_t kHighs = kOnes * 0x80U;
  const auto has_zero = [](std::uint64_t bytes) { return (bytes - kOnes) & ~bytes; };
  const auto below_space = (eight - kOnes * 0x20U) & ~eight;
  return ((eight | (eight + kOnes) | below_space | has_zero(eight ^ (kOnes * '"')) |
           has_zero(eight ^ (kOnes * '\\'))) &
          kHighs) != 0;
}

/// Whether the text can stand in JSON as it is.
bool is_plain(std::string_view text) {
  std::uint64_t eight = 0;
  for (; text.size() >= sizeof eight; text.remove_prefix(sizeof eight)) {
    std::memcpy(&eight, text.data(), sizeof eight);
    if (is_special(eight))
      return false;
  }
  std::memset(&eight, ' ', sizeof eight);
  if (!text.empty())
    std::memcpy(&eight, text.data(), text.size());
  return !is_special(eight);
}

template <class Number> void append_number(std::string& to, Number value) {
  std::array<char, 32> digits{}; // the shortest form of a double has at most 24
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  to.append(digits.data(), end);
}

template <class Values, class Append>
void append_array(std::string& to, const Values& values, Append append) {
  to += '[';
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i > 0)
      to += ',';
    append(values[i]);
  }
  to += ']';
}

} // namespace

void append_json_string(std::string& to, std::string_view text, JsonCharset charset) {
  if (is_plain(text)) { // nearly always
    to += '"';
    to.append(text);
    to += '"';
    return;
  }
  using Json = nlohmann::json;
  to += Json(text).dump(-1, ' ', charset == JsonCharset::ascii, Json::error_handler_t::replace);
}

void JsonObject::begin(std::string_view name) {
  text_ += text_.empty() ? '{' : ',';
  append_json_string(text_, name, charset_);
  text_ += ':';
}

JsonObject& JsonObject::add(std::string_view name, std::string_view value) {
  begin(name);
  append_json_string(text_, value, charset_);
  return *this;
}

JsonObject& JsonObject::add(std::string_view name, std::int64_t value) {
  begin(name);
  append_number(text_, value);
  return *this;
}

JsonObject& JsonObject::add(std::string_view name, double value) {
  if (!std::isfinite(value))
    return add_null(name);
  begin(name);
  append_number(text_, value);
  return *this;
}

JsonObject& JsonObject::add(std::string_view name, bool value) {
  begin(name);
  text_ += value ? "true" : "false";
  return *this;
}

JsonObject& JsonObject::add_null(std::string_view name) {
  begin(name);
  text_ += "null";
  return *this;
}

JsonObject& JsonObject::add(std::string_view name, const JsonObject& value) {
  begin(name);
  text_ += value.text();
  return *this;
}

JsonObject& JsonObject::add(std::string_view name, const std::vector<std::string>& values) {
  begin(name);
  append_array(text_, values,
               [this](const auto& each) { append_json_string(text_, each, charset_); });
  return *this;
}

JsonObject& JsonObject::add(std::string_view name, const std::vector<JsonObject>& values) {
  begin(name);
  append_array(text_, values, [this](const auto& each) { text_ += each.text(); });
  return *this;
}

} // namespace regroup::text
