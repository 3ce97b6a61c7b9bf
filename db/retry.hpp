#pragma once
#include "db/errors.hpp"
#include "db/task.hpp"
#include "domain/command.hpp"
#include "domain/outcome.hpp"

#include <string_view>

namespace regroup::db {

/// The maximum number of attempts, the first included.
inline constexpr int kMostAttempts = 4;

/// Waits between two attempts, with jitter, so that those that collided do not collide again. Not
/// past the deadline.
Task<void> pause_before_retry(int attempt, domain::Deadline deadline);

/// Whether an attempt that certainly changed nothing may well succeed a moment later, and there is
/// time for another. `attempts`: started so far.
bool is_worth_another_attempt(const NotKept& why, int attempts, domain::Deadline deadline);

/// Whether the server cannot write: a standby refuses BEGIN READ WRITE (0A000), or it was made
/// read-only (25006). Another one is to be looked for.
bool cannot_write(const NotKept& why);

/// The caller's answer to a transaction that was certainly not kept; nothing was changed.
domain::Refused refusal_for(const NotKept& why);

} // namespace regroup::db
