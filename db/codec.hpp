#pragma once
#include "db/pipeline.hpp"
#include "domain/uuid.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace regroup::db {

/// PostgreSQL's text form of a uuid[]: `{a,b}`.
std::string uuid_array_text(const std::vector<domain::Uuid>& ids);
/// PostgreSQL's text form of a text[].
std::string text_array_text(const std::vector<std::string>& texts);
/// PostgreSQL's text form of a bigint[].
std::string number_array_text(const std::vector<std::int64_t>& numbers);

/// Throws std::runtime_error if the text is not a uuid[] without NULLs.
std::vector<domain::Uuid> uuid_array(std::string_view text);
/// Throws std::runtime_error if the text is not a UUID.
domain::Uuid uuid(std::string_view text);
std::optional<domain::Uuid> optional_uuid(const Row& row, const char* column);
std::optional<domain::Uuid> optional_uuid(const Reply& reply, std::size_t row, const char* column);
std::optional<std::string> optional_text(const Row& row, const char* column);

std::optional<std::string> text_of(const std::optional<domain::Uuid>& id);

/// How long ago something was, as a parameter: statements take times as ages, since clocks differ.
inline std::int64_t microseconds(std::chrono::steady_clock::duration span) {
  return std::chrono::duration_cast<std::chrono::microseconds>(span).count();
}

/// A parameter that is NULL if the text is empty.
inline std::optional<std::string> text_if_any(const std::string& text) {
  return text.empty() ? std::nullopt : std::optional{text};
}

} // namespace regroup::db
