#include "http/json_reader.hpp"

#include "domain/names.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace regroup::http {
using nlohmann::json;

ObjectReader::ObjectReader(const json& object, const domain::Unicode& unicode,
                           std::initializer_list<std::string_view> known)
    : object_(object), unicode_(unicode) {
  if (!object_.is_object()) {
    complain("", "must be an object");
    return;
  }
  for (const auto& [name, value] : object_.items())
    if (std::find(known.begin(), known.end(), name) == known.end())
      complain(name.substr(0, 100), "is unknown");
}

const json* ObjectReader::find(const char* name, bool required) {
  const auto found = object_.is_object() ? object_.find(name) : object_.end();
  if (found != object_.end() && !found->is_null())
    return &*found;
  if (required && object_.is_object())
    complain(name, "is required");
  return nullptr;
}

std::optional<std::u32string> ObjectReader::text(const char* name, Text rule, bool required) {
  const json* value = find(name, required);
  if (value == nullptr)
    return std::nullopt;
  if (!value->is_string()) {
    complain(name, "must be a string");
    return std::nullopt;
  }
  const auto decoded = unicode_.decode(value->get_ref<const std::string&>());
  if (!decoded || domain::has_control(*decoded)) {
    complain(name, "must not have control characters");
    return std::nullopt;
  }
  std::u32string_view text = *decoded;
  if (rule.trim)
    text = domain::trimmed(text, unicode_);
  if (text.empty() || text.size() > rule.longest) {
    complain(name, "must have 1 to " + std::to_string(rule.longest) + " characters");
    return std::nullopt;
  }
  return std::u32string{text};
}

std::optional<domain::Uuid> ObjectReader::uuid(const char* name) { return uuid(name, true); }

std::optional<domain::Uuid> ObjectReader::optional_uuid(const char* name) {
  return uuid(name, false);
}

std::optional<domain::Uuid> ObjectReader::uuid(const char* name, bool required) {
  const json* value = find(name, required);
  if (value == nullptr)
    return std::nullopt;
  const auto id =
      value->is_string() ? domain::Uuid::parse(value->get_ref<const std::string&>()) : std::nullopt;
  if (!id)
    complain(name, "must be a UUID");
  return id;
}

bool ObjectReader::is_list(const char* name, const json& value, std::size_t most, const char* of) {
  const bool good = value.is_array() && !value.empty() && value.size() <= most;
  if (!good)
    complain(name, "must be an array of 1 to " + std::to_string(most) + " " + of);
  return good;
}

std::optional<std::vector<domain::Uuid>> ObjectReader::optional_uuids(const char* name,
                                                                      std::size_t most) {
  const json* value = find(name, false);
  if (value == nullptr || !is_list(name, *value, most, "UUIDs"))
    return std::nullopt;
  return each_uuid(name, *value);
}

std::optional<std::vector<std::string>> ObjectReader::optional_texts(const char* name,
                                                                     std::size_t most) {
  const json* value = find(name, false);
  if (value == nullptr || !is_list(name, *value, most, "strings"))
    return std::nullopt;
  std::vector<std::string> texts;
  for (const auto& each : *value)
    texts.push_back(each.is_string() ? each.get<std::string>() : std::string{});
  return texts;
}

std::vector<domain::Uuid> ObjectReader::uuids(const char* name, std::size_t most) {
  const json* value = find(name, true);
  if (value == nullptr || !is_list(name, *value, most, "UUIDs"))
    return {};
  return each_uuid(name, *value).value_or(std::vector<domain::Uuid>{});
}

std::optional<std::vector<domain::Uuid>> ObjectReader::each_uuid(const char* name,
                                                                 const json& value) {
  std::vector<domain::Uuid> ids;
  for (std::size_t i = 0; i < value.size(); ++i) {
    const json& each = value[i];
    const auto id =
        each.is_string() ? domain::Uuid::parse(each.get_ref<const std::string&>()) : std::nullopt;
    if (!id) {
      complain(std::string{name} + "[" + std::to_string(i) + "]", "must be a UUID");
      return std::nullopt;
    }
    ids.push_back(*id);
  }
  return ids;
}

bool ObjectReader::boolean(const char* name) {
  const json* value = find(name, false);
  if (value == nullptr)
    return false;
  if (!value->is_boolean())
    complain(name, "must be true or false");
  return value->is_boolean() && value->get<bool>();
}

domain::Refusal ObjectReader::refusal() const {
  domain::Refusal refusal;
  refusal.reason = domain::Refused::invalid_request;
  refusal.fields = wrong_;
  return refusal;
}

void ObjectReader::complain(std::string field, std::string message) {
  constexpr std::size_t kMostComplaints = 20; // keeps the answer to a million mistakes short
  if (wrong_.size() < kMostComplaints)
    wrong_.push_back({std::move(field), std::move(message)});
}

} // namespace regroup::http
