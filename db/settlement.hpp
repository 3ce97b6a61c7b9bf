#pragma once
#include "db/transaction.hpp"
#include "domain/command.hpp"
#include "domain/log.hpp"
#include "domain/metrics.hpp"
#include "domain/outcome.hpp"
#include "domain/store.hpp"

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <variant>

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

/// "Did it commit, or shall it never?" (contract, "In doubt"; functions/settle.sql): asks until the
/// answer is certain or the deadline has passed; throws ConnectionLost. The operation's own success
/// where it had committed; `database_unavailable` (nothing was changed, nor will be) or `cancelled`
/// where it was made impossible; `timeout`, with the operation's id, where it is not known.
Task<domain::Answer> settle(const OperationTools& tools, const domain::Settle& what);

/// Runs attempts of an operation for as long as one is worth it (retry.hpp, or `is_passing`, where
/// it is given). One whose end is unknown is never sent again: it is settled. A NotKept that
/// is returned is certain: nothing was changed. Where the session has no connection any more it
/// throws ConnectionLost: with the operation itself where it certainly changed nothing, else with
/// its settlement. A connection to a server that cannot write counts as lost.
Task<std::variant<domain::Answer, NotKept>>
run_operation(const OperationTools& tools, const domain::Operation& operation,
              std::function<Task<domain::Answer>()> attempt,
              std::function<bool(const NotKept&)> is_passing = {});

/// Leaves the record of a migration that has certainly failed, where it can be written, and returns
/// what its caller is told: `reason`, or what is on record under its id already (an administrator
/// has cancelled it). `started`: when a worker took it up.
Task<domain::Answer> record_failure(const OperationTools& tools,
                                    const domain::MigrationPtr& migration, domain::Refused reason,
                                    std::chrono::steady_clock::time_point started);

/// The parameters of statements::settle for a fence that says `code` and `message`. `lock`: as
/// functions/settle.sql has it.
Parameters settlement_of(const domain::Operation& operation, const char* lock, std::string code,
                         std::string message,
                         std::optional<std::chrono::steady_clock::time_point> started);

/// Settles what is known by its id alone, for the user who asks about it: where nothing is on
/// record of an id that its replica has given up, it becomes one that failed. True where it is that
/// now. Throws NotKept.
Task<bool> settle_abandoned(Session& session, const domain::Uuid& id, const domain::Uuid& user,
                            std::chrono::milliseconds final_after);

/// What became of an undo or a change of devices. Throws NotKept.
Task<domain::Answer> find_operation(Session& session, const domain::FindOperation& query);

} // namespace regroup::db
