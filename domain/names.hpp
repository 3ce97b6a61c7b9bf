#pragma once
#include "domain/unicode.hpp"
#include "domain/uuid.hpp"

#include <string>
#include <string_view>

namespace regroup::domain {

/// Lengths count Unicode code points (contract, "POST /api/v1/groups/migrate" and "Tables").
inline constexpr std::size_t kMaxRegistrationGroupId = 255;
inline constexpr std::size_t kMaxGroupName = 100;
inline constexpr std::size_t kMaxSlug = 120;

/// C0, DEL and C1 are refused in every name, since logs, terminals and libpqxx trip over them.
bool is_control(char32_t code_point);
bool has_control(std::u32string_view text);

/// Without white space at either end.
std::u32string_view trimmed(std::u32string_view text, const Unicode& unicode);

/// The slug of a group's name: NFKC, lower case; letters and digits of any script stay, with their
/// combining marks; white space, `-` and `_` become one `-`; the rest is dropped. At most kMaxSlug
/// code points, no `-` at either end. If nothing is left: `group-` and the first 8 hex digits of
/// the group's id.
std::string slug_of(std::u32string_view name, const Uuid& group_id, const Unicode& unicode);

/// The first `count` code points of a UTF-8 text, without a `-` at the end of the result. For
/// adopted databases whose `devices.group_id` is narrower: the slug must fit it.
std::string cut_slug(std::string_view slug, std::size_t count);

} // namespace regroup::domain
