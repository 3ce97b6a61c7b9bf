#pragma once
#include "db/jobs.hpp"
#include "db/transaction.hpp"
#include "domain/command.hpp"
#include "domain/store.hpp"

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <variant>

namespace regroup::db {

/// Thrown by a job that has lost its connection.
struct ConnectionLost {
  domain::Left left;
};

/// Settles an operation in doubt: "did it commit, or shall it never?" (contract, "In doubt";
/// functions/settle.sql). Repeats until the answer is certain or the deadline has passed; throws
/// ConnectionLost if the connection is lost. Returns the operation's own success if it had
/// committed; `database_unavailable` (nothing was changed, nor will be) or `cancelled` if it was
/// made impossible; `timeout` with the operation's id if it is still not known.
Task<domain::Answer> settle(const Tools& tools, std::shared_ptr<const domain::Settle> what);

/// Runs attempts of an operation as long as another is worth it (retry.hpp, or `is_passing` if
/// given). After an attempt whose end is unknown it settles the operation and never sends it again.
/// A returned NotKept is certain: nothing was changed. If the session has lost its connection it
/// throws ConnectionLost: with the operation itself if it certainly changed nothing, otherwise with
/// its settlement. A connection to a server that cannot write counts as lost.
Task<std::variant<domain::Answer, NotKept>>
run_operation(const Tools& tools, const domain::Operation& operation,
              std::function<Task<domain::Answer>()> attempt,
              std::function<bool(const NotKept&)> is_passing = {});

/// Writes the audit row of a migration that has certainly failed, if that is possible, and returns
/// the caller's answer: `reason`, or what is already on record under its id (an administrator has
/// cancelled it). `started`: when a worker began it.
Task<domain::Answer> record_failure(const Tools& tools, const domain::MigrationPtr& migration,
                                    domain::Refused reason,
                                    std::chrono::steady_clock::time_point started);

/// The parameters of statements::settle for a fence with `code` and `message`. `lock`: see
/// functions/settle.sql.
Parameters settlement_of(const domain::Operation& operation, const char* lock, std::string code,
                         std::string message,
                         std::optional<std::chrono::steady_clock::time_point> started);

/// Settles an operation of which only the id is known, for the user who asks about it: if nothing
/// is on record under an id that its replica has given up, records it as failed. Returns true if it
/// is recorded so now. Throws NotKept.
Task<bool> settle_abandoned(Session& session, const domain::Uuid& id, const domain::Uuid& user,
                            std::chrono::milliseconds final_after);

} // namespace regroup::db
