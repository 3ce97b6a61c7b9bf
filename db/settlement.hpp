#pragma once
#include "db/pipeline.hpp"
#include "db/session.hpp"
#include "domain/command.hpp"
#include "domain/log.hpp"
#include "domain/metrics.hpp"
#include "domain/outcome.hpp"
#include "domain/store.hpp"

#include <chrono>
#include <optional>
#include <string>

namespace regroup::db {

/// What an operation is run and settled with. All of it outlives the operation.
struct OperationTools {
  Session& session;
  domain::Log& log;
  domain::Metrics& metrics;
};

/// Thrown by a job whose connection is lost.
struct ConnectionLost {
  domain::Left left;
};

/// After an attempt of an operation that was not kept. Where the session has no connection any more
/// throws ConnectionLost: with the operation itself where it certainly changed nothing, else with
/// its settlement. A connection to a server that cannot write counts as lost.
void leave_if_lost(const OperationTools& tools, const domain::Operation& operation,
                   domain::Deadline deadline, const NotKept& why, int attempts);

/// "Did it commit, or shall it never?" (contract, "In doubt"; functions/settle.sql): asks until the
/// answer is certain or the deadline has passed; throws ConnectionLost. The operation's own success
/// where it had committed; `database_unavailable` (nothing was changed, nor will be) or `cancelled`
/// where it was made impossible; `timeout`, with the operation's id, where it is not known.
domain::Answer settle(const OperationTools& tools, const domain::Settle& what);

/// Leaves the record of a migration that has certainly failed, where it can be written, and returns
/// what its caller is told: `reason`, or what is on record under its id already (an administrator
/// has cancelled it). `started`: when a worker took it up.
domain::Answer record_failure(const OperationTools& tools, const domain::MigrationPtr& migration,
                              domain::Refused reason,
                              std::chrono::steady_clock::time_point started);

/// The parameters of statements::settle for a fence that says `code` and `message`. `lock`: as
/// functions/settle.sql has it.
Parameters settlement_of(const domain::Operation& operation, const char* lock, std::string code,
                         std::string message,
                         std::optional<std::chrono::steady_clock::time_point> started);

/// Settles what is known by its id alone, for the user who asks about it: where nothing is on
/// record of an id that its replica has given up, it becomes one that failed. True where it is that
/// now. Throws NotKept.
bool settle_abandoned(Session& session, const domain::Uuid& id, const domain::Uuid& user,
                      std::chrono::milliseconds final_after);

/// What became of an undo or a change of devices. Throws NotKept.
domain::Answer find_operation(Session& session, const domain::FindOperation& query);

/// One line in the log for an attempt of an operation that is not tried again.
void log_failure(domain::Log& log, const domain::Operation& operation, const NotKept& why,
                 int attempts);

} // namespace regroup::db
