#pragma once
#include "domain/command.hpp"
#include "domain/outcome.hpp"

#include <string_view>

namespace regroup::db {

/// How often a transaction is begun at most, the first time included.
inline constexpr int kMostAttempts = 4;

/// Between two attempts: jitter, so that those who collided once do not collide again. Not past the
/// deadline.
void pause_before_retry(int attempt, domain::Deadline deadline);

/// What PostgreSQL promises not to have committed, and what may well work a moment later.
bool is_worth_retrying(std::string_view sqlstate);

/// What a caller is told of a statement that failed in the end; nothing was changed.
domain::Refused refusal_for(std::string_view sqlstate);

} // namespace regroup::db
