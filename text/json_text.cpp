#include "text/json_text.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace regroup::text {
namespace {

bool is_plain(char c) { return c >= 0x20 && c < 0x7f && c != '"' && c != '\\'; }

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
  if (std::all_of(text.begin(), text.end(), is_plain)) { // nearly always
    to.append("\"").append(text).append("\"");
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
