#include "db/codec.hpp"

#include <stdexcept>

namespace regroup::db {

domain::Uuid uuid(std::string_view text) {
  const auto id = domain::Uuid::parse(text);
  if (!id)
    throw std::runtime_error("the database holds no UUID where one belongs");
  return *id;
}

std::string uuid_array_text(const std::vector<domain::Uuid>& ids) {
  std::string text = "{";
  for (const auto& id : ids) {
    if (text.size() > 1)
      text += ',';
    text += id.text();
  }
  return text + "}";
}

std::string text_array_text(const std::vector<std::string>& texts) {
  std::string array = "{";
  for (const auto& text : texts) {
    array += array.size() > 1 ? ",\"" : "\"";
    for (const char c : text) {
      if (c == '"' || c == '\\')
        array += '\\';
      array += c;
    }
    array += '"';
  }
  return array + "}";
}

std::string number_array_text(const std::vector<std::int64_t>& numbers) {
  std::string array = "{";
  for (const auto number : numbers)
    array += (array.size() > 1 ? "," : "") + std::to_string(number);
  return array + "}";
}

std::vector<domain::Uuid> uuid_array(std::string_view text) {
  if (text.size() < 2 || text.front() != '{' || text.back() != '}')
    throw std::runtime_error("the database holds no array where one belongs");
  text = text.substr(1, text.size() - 2);
  std::vector<domain::Uuid> ids;
  while (!text.empty()) {
    const auto comma = text.find(',');
    ids.push_back(uuid(text.substr(0, comma)));
    text = comma == std::string_view::npos ? std::string_view{} : text.substr(comma + 1);
  }
  return ids;
}

std::optional<domain::Uuid> optional_uuid(const Row& row, const char* column) {
  return row.is_null(column) ? std::nullopt : std::optional{uuid(row.text(column))};
}

std::optional<domain::Uuid> optional_uuid(const Reply& reply, std::size_t row, const char* column) {
  return optional_uuid(reply.row(row), column);
}

std::optional<std::string> optional_text(const Row& row, const char* column) {
  return row.is_null(column) ? std::nullopt : std::optional{std::string{row.text(column)}};
}

std::optional<std::string> text_of(const std::optional<domain::Uuid>& id) {
  return id ? std::optional{id->text()} : std::nullopt;
}

} // namespace regroup::db
