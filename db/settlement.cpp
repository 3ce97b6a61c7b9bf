#include "db/settlement.hpp"

#include "db/codec.hpp"
#include "db/group_devices.hpp"
#include "db/migration.hpp"
#include "db/retry.hpp"
#include "db/undo.hpp"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>
#include <variant>

namespace regroup::db {
namespace {

using domain::Answer;
using domain::ChangePtr;
using domain::MigrationPtr;
using domain::Operation;
using domain::Refusal;
using domain::Refused;
using domain::Result;
using domain::UndoPtr;
using Doubt = domain::Metrics::Doubt;
using Clock = std::chrono::steady_clock;

constexpr std::string_view kCancelled = "migration/cancelled";
constexpr std::string_view kLockTimeout = "55P03";
constexpr const char* kUnavailable = "server/database-unavailable";
constexpr const char* kNeverHappens = "The database was not available; nothing was changed";

/// An older id is no longer settled when someone asks for it: what it names may have been on record
/// and be gone.
constexpr std::chrono::hours kAskedAbout{24};

Answer success_of(const Operation& operation, const Reply& reply) {
  if (std::holds_alternative<MigrationPtr>(operation))
    return Answer{completed_from(reply)};
  if (const auto* undo = std::get_if<UndoPtr>(&operation))
    return Answer{undone_from(**undo, reply)};
  return Answer{changed_from(*std::get<ChangePtr>(operation), reply)};
}

struct Settlement {
  bool committed = false;
  Answer answer;
};

/// `otherwise`: the reason if the fence was not written by an administrator.
Settlement settled(const Operation& operation, const Reply& reply, Refused otherwise) {
  if (reply.text(0, "outcome") == "committed")
    return {true, success_of(operation, reply)};
  const auto reason = reply.text(0, "o_error_code") == kCancelled ? Refused::cancelled : otherwise;
  if (const auto* migration = std::get_if<MigrationPtr>(&operation))
    return {false, refusal_about(**migration, reason)};
  return {false, Refusal{.reason = reason}};
}

Task<Settlement> settle_once(Session& session, const Operation& operation) {
  const char* lock = std::holds_alternative<ChangePtr>(operation) ? "none" : "wait";
  auto parameters = settlement_of(operation, lock, kUnavailable, kNeverHappens, std::nullopt);
  const Reply reply = co_await run_in_one_trip(session, statements::settle, std::move(parameters));
  co_return decoded(reply, [&](const Reply& kept) {
    return settled(operation, kept, Refused::database_unavailable);
  });
}

const std::string& trace_of(const Operation& operation) {
  static const std::string none;
  if (const auto* migration = std::get_if<MigrationPtr>(&operation))
    return (*migration)->trace_id;
  if (const auto* undo = std::get_if<UndoPtr>(&operation))
    return (*undo)->trace_id;
  return none;
}

void log_settled(domain::Log& log, const Operation& operation, const char* outcome, int attempts) {
  const std::string id = id_of(operation).text();
  log.event(domain::LogLevel::warning, "settlement.ended",
            {{"kind", std::string_view{kind_of(operation)}},
             {"operation_id", std::string_view{id}},
             {"trace_id", domain::if_any(trace_of(operation))},
             {"outcome", std::string_view{outcome}},
             {"attempts", std::int64_t{attempts}}});
}

/// Logs an operation that is not tried again: one line.
void log_failure(domain::Log& log, const Operation& operation, const NotKept& why, int attempts) {
  const std::string id = id_of(operation).text();
  const auto* migration = std::get_if<MigrationPtr>(&operation);
  const auto* undo = std::get_if<UndoPtr>(&operation);
  const std::string event = std::string{kind_of(operation)} + ".failed";
  log.event(
      domain::LogLevel::error, event,
      {{migration ? "migration_id" : "operation_id", std::string_view{id}},
       {"registration_group_id", domain::if_any(migration ? (*migration)->registration_group_id
                                                : undo    ? (*undo)->registration_group_id
                                                          : std::string{})},
       {"trace_id", domain::if_any(trace_of(operation))},
       // 08007, transaction_resolution_unknown: no SQLSTATE that came says how it ended
       {"sqlstate", why.ended() == Ended::unknown  ? std::string_view{"08007"}
                    : why.ended() == Ended::unsent ? std::string_view{"08006"}
                                                   : std::string_view{why.sqlstate()}},
       {"error", std::string_view{why.what()}},
       {"attempts", std::int64_t{attempts}}});
}

/// Whether the connection is lost. One to a server that is now a standby (25006, read-only
/// transaction) is dropped, so that another server is looked for.
bool is_lost(Session& session, const NotKept& why) {
  if (cannot_write(why))
    session.drop();
  return !session.is_ready();
}

domain::Job job_of(const Operation& operation) {
  return std::visit([](const auto& each) { return domain::Job{each}; }, operation);
}

} // namespace

Parameters settlement_of(const Operation& operation, const char* lock, std::string code,
                         std::string message, std::optional<Clock::time_point> started) {
  Parameters parameters{kind_of(operation), id_of(operation).text()};
  std::optional<std::string> received;
  if (const auto* migration = std::get_if<MigrationPtr>(&operation)) {
    const auto& command = **migration;
    parameters.insert(parameters.end(),
                      {command.user_id.text(), command.registration_group_id, std::nullopt});
    received = std::to_string(microseconds(Clock::now() - command.received));
  } else if (const auto* undo = std::get_if<UndoPtr>(&operation)) {
    parameters.insert(parameters.end(), {(*undo)->user_id.text(), (*undo)->registration_group_id,
                                         (*undo)->authenticated_group_id.text()});
  } else {
    const auto& change = *std::get<ChangePtr>(operation);
    parameters.insert(parameters.end(), {change.user_id.text(), "", change.group_id.text()});
  }
  parameters.insert(parameters.end(), {lock, std::move(code), std::move(message),
                                       text_if_any(trace_of(operation)), std::move(received)});
  parameters.push_back(started
                           ? std::optional{std::to_string(microseconds(Clock::now() - *started))}
                           : std::nullopt);
  return parameters;
}

Task<Answer> settle(const Tools& tools, std::shared_ptr<const domain::Settle> question) {
  const auto& what = *question;
  int attempts = 1;
  for (; Clock::now() < what.deadline; ++attempts) {
    auto outcome = co_await outcome_of(settle_once(tools.session, what.operation));
    if (auto* settlement = std::get_if<Settlement>(&outcome)) {
      log_settled(tools.log, what.operation, settlement->committed ? "committed" : "fenced",
                  attempts);
      tools.metrics.doubt_ended(settlement->committed ? Doubt::committed : Doubt::rolled_back);
      co_return std::move(settlement->answer);
    }
    if (is_lost(tools.session, std::get<NotKept>(outcome)))
      throw ConnectionLost{{question}};
    // For example, a backend still holds the lock: the operation stays in doubt.

    co_await pause_before_retry(std::min(attempts, kMostAttempts), what.deadline);
  }
  log_settled(tools.log, what.operation, "unresolved", attempts - 1);
  tools.metrics.doubt_ended(Doubt::unresolved);
  co_return domain::no_outcome(question);
}

Task<std::variant<Answer, NotKept>> run_operation(const Tools& tools, const Operation& operation,
                                                  std::function<Task<Answer>()> attempt,
                                                  std::function<bool(const NotKept&)> is_passing) {
  const auto deadline = std::visit([](const auto& each) { return each->deadline; }, operation);
  const auto waits_until = std::min(deadline, Clock::now() + tools.session.lock_timeout());
  for (int attempts = 1;; ++attempts) {
    auto outcome = co_await outcome_of(attempt());
    const auto* why = std::get_if<NotKept>(&outcome);
    if (why == nullptr)
      co_return outcome;
    if (why->ended() == Ended::refused && why->sqlstate() == kLockTimeout &&
        Clock::now() < waits_until) {
      --attempts; // it let others go first, who may wait for what it had locked
      co_await pause_before_retry(0, deadline);
      continue;
    }
    const bool lost = is_lost(tools.session, *why);
    if (lost && why->ended() != Ended::unknown)
      throw ConnectionLost{{job_of(operation)}};
    const bool again = is_worth_another_attempt(*why, attempts, deadline) ||
                       (is_passing && is_passing(*why) && attempts < kMostAttempts);
    if (!again) {
      log_failure(tools.log, operation, *why, attempts);
      if (why->ended() != Ended::unknown)
        co_return outcome;
      const auto doubt = std::make_shared<const domain::Settle>(operation, deadline);
      if (lost)
        throw ConnectionLost{{doubt}};
      co_return co_await settle(tools, doubt);
    }

    co_await pause_before_retry(attempts, deadline);
  }
}

namespace {

/// What the history says of a failed migration.
struct Record {
  const char* code;
  const char* message;
};

Record record_of(Refused reason) {
  if (reason == Refused::internal)
    return {"server/internal", "The migration failed and changed nothing"};
  if (reason == Refused::lock_timeout)
    return {"server/lock-timeout", "Another session of the database held a lock for too long"};
  return {kUnavailable, "The database could not complete the migration"};
}

/// Logs which sessions hold the rows that the migration waited for, as far as they still do. What
/// goes wrong here changes nothing of the outcome.
Task<void> log_lock_holders(const Tools& tools, const domain::MigrationCommand& command) {
  Parameters parameters{command.registration_group_id};
  const auto found = co_await outcome_of(
      run_in_one_trip(tools.session, statements::find_lock_holders, std::move(parameters)));
  const auto* reply = std::get_if<Reply>(&found);
  if (reply == nullptr || reply->empty() || reply->is_null(0, "holders"))
    co_return;
  const std::string id = command.migration_id.text();
  tools.log.event(domain::LogLevel::warning, "migration.held_up",
                  {{"migration_id", std::string_view{id}},
                   {"registration_group_id", std::string_view{command.registration_group_id}},
                   {"held_by", reply->text(0, "holders")}});
}

} // namespace

Task<Answer> record_failure(const Tools& tools, const MigrationPtr& migration, Refused reason,
                            Clock::time_point started) {
  const Record record = record_of(reason);
  if (reason == Refused::lock_timeout)
    co_await log_lock_holders(tools, *migration);
  auto parameters = settlement_of(migration, "none", record.code, record.message, started);
  const auto outcome = co_await outcome_of(
      run_in_one_trip(tools.session, statements::settle, std::move(parameters)));
  const auto* reply = std::get_if<Reply>(&outcome);
  try {
    if (reply != nullptr)
      co_return settled(migration, *reply, reason).answer;
    throw std::get<NotKept>(outcome);
  } catch (const std::exception& why) {
    const std::string id = migration->migration_id.text();
    tools.log.event(domain::LogLevel::warning, "migration.failure_not_recorded",
                    {{"migration_id", std::string_view{id}},
                     {"trace_id", domain::if_any(migration->trace_id)},
                     {"error", std::string_view{why.what()}}});
  }
  co_return refusal_about(*migration, reason);
}

Task<bool> settle_abandoned(Session& session, const domain::Uuid& id, const domain::Uuid& user,
                            std::chrono::milliseconds final_after) {
  const auto made_at = id.made_at();
  if (!made_at)
    co_return false;
  const auto age = std::chrono::system_clock::now() - *made_at;
  if (age < final_after || age > kAskedAbout)
    co_return false;
  Parameters parameters{id.text(), user.text(), kUnavailable, kNeverHappens};
  const Reply reply =
      co_await run_in_one_trip(session, statements::settle_abandoned, std::move(parameters));
  co_return reply.row(0).flag("fenced");
}

namespace {

Result<domain::OperationReport> operation_from(const Reply& reply,
                                               const domain::FindOperation& query) {
  if (reply.text(0, "may_ask") != "t")
    return Refusal{.reason = Refused::unauthorized};
  const bool is_known_by_id_alone = reply.is_null(0, "kind");
  if (reply.is_null(0, "id") || (query.initiator && !is_known_by_id_alone &&
                                 optional_uuid(reply, 0, "user_id") != query.initiator))
    return Refusal{.reason = Refused::not_found};
  domain::OperationReport report;
  report.operation_id = query.operation_id;
  report.kind = reply.text(0, "kind");
  report.group_id = optional_uuid(reply, 0, "group_id");
  report.completed = reply.text(0, "status") == "completed";
  report.ended_at = reply.text(0, "ended_at");
  report.error_code = reply.text(0, "error_code");
  report.error_message = reply.text(0, "error_message");
  return report;
}

Task<Result<domain::OperationReport>> find_operation(Session& session,
                                                     const domain::FindOperation& query) {
  for (bool settled = false;; settled = true) {
    Parameters parameters{query.operation_id.text(), text_of(query.initiator)};
    const Reply reply =
        co_await run_in_one_trip(session, statements::find_operation, std::move(parameters));
    auto answer = operation_from(reply, query);
    if (settled || !answer.is_refused(Refused::not_found) || !query.initiator || !query.final_after)
      co_return answer;
    const bool abandoned = co_await settle_abandoned(session, query.operation_id, *query.initiator,
                                                     *query.final_after);
    if (!abandoned)
      co_return answer;
  }
}

} // namespace

void add_settlement(JobTable& table) {
  table.add(settle);
  table.add(find_operation);
}

} // namespace regroup::db
