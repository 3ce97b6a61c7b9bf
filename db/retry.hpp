#pragma once
#include "db/errors.hpp"
#include "db/task.hpp"
#include "domain/command.hpp"
#include "domain/outcome.hpp"

#include <string_view>

namespace regroup::db {

/// How often a transaction is begun at most, the first time included.
inline constexpr int kMostAttempts = 4;

/// Between two attempts: jitter, so that those who collided once do not collide again. Not past the
/// deadline.
Task<void> pause_before_retry(int attempt, domain::Deadline deadline);

/// Whether an attempt that certainly changed nothing may well work a moment later, and there is
/// time and reason for another. `attempts`: begun up to now.
bool is_worth_another_attempt(const NotKept& why, int attempts, domain::Deadline deadline);

/// What a caller is told of a transaction that was certainly not kept; nothing was changed.
domain::Refused refusal_for(const NotKept& why);

} // namespace regroup::db
