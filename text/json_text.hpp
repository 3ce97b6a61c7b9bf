#pragma once
#include "domain/uuid.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace regroup::text {

enum class JsonCharset : std::uint8_t {
  utf8,
  ascii // everything else as \uXXXX
};

/// Appends the text as a JSON string, with its quotes. Invalid UTF-8 becomes U+FFFD.
void append_json_string(std::string& to, std::string_view text, JsonCharset charset);

/// A JSON object (RFC 8259), written member by member without building a tree: every request writes
/// two or three. Names are string constants of the program: ASCII, each used once.
class JsonObject {
public:
  explicit JsonObject(JsonCharset charset = JsonCharset::utf8) : charset_(charset) {}

  JsonObject& add(std::string_view name, std::string_view value);
  JsonObject& add(std::string_view name, const char* value) {
    return add(name, std::string_view{value}); // would be a bool otherwise
  }
  JsonObject& add(std::string_view name, std::int64_t value);
  JsonObject& add(std::string_view name, double value); // null if not finite
  JsonObject& add(std::string_view name, bool value);
  JsonObject& add(std::string_view name, const domain::Uuid& value) {
    return add(name, value.text());
  }
  JsonObject& add_null(std::string_view name);
  /// For any type above.
  template <class T> JsonObject& add_or_null(std::string_view name, const std::optional<T>& value) {
    return value ? add(name, *value) : add_null(name);
  }
  JsonObject& add(std::string_view name, const JsonObject& value);
  JsonObject& add(std::string_view name, const std::vector<std::string>& values);
  JsonObject& add(std::string_view name, const std::vector<JsonObject>& values);

  /// The members so far, as a complete object.
  std::string text() const { return text_ + (text_.empty() ? "{}" : "}"); }

private:
  void begin(std::string_view name);

  std::string text_; // has its opening brace once there is a member
  JsonCharset charset_;
};

} // namespace regroup::text
