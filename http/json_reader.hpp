#pragma once
#include "domain/outcome.hpp"
#include "domain/unicode.hpp"

#include <nlohmann/json_fwd.hpp>

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace regroup::http {

/// Reads the fields of one JSON object and collects every error, so that a caller learns of all
/// mistakes at once.
class ObjectReader {
public:
  /// `object` and `unicode` outlive the reader. Fields other than `known` are errors.
  ObjectReader(const nlohmann::json& object, const domain::Unicode& unicode,
               std::initializer_list<std::string_view> known);

  struct Text {
    std::size_t longest; // in code points; the minimum is one
    bool trim = false;   // before counting
  };
  /// These return nothing if the field is absent (or null), or wrong, which is recorded.
  std::optional<std::u32string> text(const char* name, Text rule, bool required);
  std::optional<domain::Uuid> uuid(const char* name); // required
  std::optional<domain::Uuid> optional_uuid(const char* name);
  // Lists have 1 to `most` elements.
  std::optional<std::vector<domain::Uuid>> optional_uuids(const char* name, std::size_t most);
  std::vector<domain::Uuid> uuids(const char* name, std::size_t most); // required
  std::optional<std::vector<std::string>> optional_texts(const char* name, std::size_t most);
  bool boolean(const char* name); // absent: false

  /// Records an error that the caller found, for example in a combination of fields.
  void complain(std::string field, std::string message);

  bool good() const { return wrong_.empty(); }
  domain::Refusal refusal() const;

private:
  std::optional<std::vector<domain::Uuid>> each_uuid(const char* name, const nlohmann::json& value);
  bool is_list(const char* name, const nlohmann::json& value, std::size_t most, const char* of);
  const nlohmann::json* find(const char* name, bool required);
  std::optional<domain::Uuid> uuid(const char* name, bool required);

  const nlohmann::json& object_;
  const domain::Unicode& unicode_;
  std::vector<domain::FieldError> wrong_;
};

} // namespace regroup::http
