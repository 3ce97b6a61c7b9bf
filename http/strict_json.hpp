#pragma once
#include <nlohmann/json.hpp>

#include <cstddef>
#include <optional>
#include <string_view>

namespace regroup::http {

/// Maximum nesting of objects and arrays: the contract's limit for a body, and more than any token
/// or key set needs.
inline constexpr std::size_t kMaxJsonDepth = 32;

/// The value of a JSON text, or nothing if it is not JSON, not UTF-8, nested deeper than
/// kMaxJsonDepth, or has an object with a duplicate key, since another parser may use the other
/// value.
std::optional<nlohmann::json> parse_strict_json(std::string_view text);

} // namespace regroup::http
