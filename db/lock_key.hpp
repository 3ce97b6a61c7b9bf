#pragma once
#include <cstdint>
#include <string_view>

namespace regroup::db {

/// regroup_lock_key() of functions/locks.sql, computed here: in SQL it costs a sixtieth of a
/// migration. Throws std::runtime_error if there is no SHA-256.
std::int64_t lock_key(std::string_view registration_group_id);

} // namespace regroup::db
