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

std::vector<domain::Uuid> uuid_array(const pqxx::field& field) {
  return uuid_array(std::string_view{field.c_str(), field.size()});
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

domain::Uuid uuid(const pqxx::field& field) {
  return uuid(std::string_view{field.c_str(), field.size()});
}

std::optional<domain::Uuid> optional_uuid(const pqxx::field& field) {
  return field.is_null() ? std::nullopt : std::optional{uuid(field)};
}

std::optional<domain::Uuid> optional_uuid(const Reply& reply, std::size_t row, const char* column) {
  return reply.is_null(row, column) ? std::nullopt : std::optional{uuid(reply.text(row, column))};
}

std::optional<std::string> optional_text(const pqxx::field& field) {
  return field.is_null() ? std::nullopt : std::optional{std::string{field.c_str(), field.size()}};
}

std::optional<std::string> text_of(const std::optional<domain::Uuid>& id) {
  return id ? std::optional{id->text()} : std::nullopt;
}

} // namespace regroup::db
