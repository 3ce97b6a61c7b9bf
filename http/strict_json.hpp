#pragma once
#include <nlohmann/json.hpp>

#include <cstddef>
#include <optional>
#include <string_view>

namespace regroup::http {

/// Objects and arrays within one another; the contract's limit for a body, and more than any
/// token or key set needs.
inline constexpr std::size_t kMaxJsonDepth = 32;

/// The value of a JSON text, or nothing when it is not JSON, not UTF-8, nested deeper than
/// kMaxJsonDepth, or says one key of an object twice: of two equal keys another parser may
/// believe the other one.
std::optional<nlohmann::json> parse_strict_json(std::string_view text);

} // namespace regroup::http
