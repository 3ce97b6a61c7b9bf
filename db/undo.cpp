#include "db/undo.hpp"

#include "db/callers.hpp"
#include "db/codec.hpp"
#include "db/one_trip.hpp"
#include "db/retry.hpp"

#include <algorithm>
#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace regroup::db {
namespace {

using domain::Answer;
using domain::MigrationUndone;
using domain::Refusal;
using domain::Refused;
using domain::UndoCommand;
using Doubt = domain::Metrics::Doubt;
using Clock = std::chrono::steady_clock;

/// Another program's table refers to the group, and will not let it go: it is in use.
constexpr std::string_view kForeignKey = "23503";

MigrationUndone undone(const UndoCommand& command, const domain::Uuid& migration_id,
                       std::vector<domain::Uuid> device_ids, std::string_view rolled_back_at) {
  MigrationUndone undone;
  undone.migration_id = migration_id;
  undone.authenticated_group_id = command.authenticated_group_id;
  undone.registration_group_id = command.registration_group_id;
  undone.device_ids = std::move(device_ids);
  undone.rolled_back_at = rolled_back_at;
  return undone;
}

Refusal group_modified(const UndoCommand& command) {
  return Refusal{.reason = Refused::group_modified,
                 .authenticated_group_id = command.authenticated_group_id};
}

/// An outcome of regroup_undo_v1 other than 'rolled_back' and 'replayed'.
Refusal refusal_from(const Reply& reply, const UndoCommand& command, std::string_view outcome) {
  static constexpr std::pair<std::string_view, Refused> kOutcomes[]{
      {"in_progress", Refused::in_progress},
      {"unauthorized", Refused::unauthorized},
      {"idempotency_mismatch", Refused::idempotency_mismatch},
      {"already_rolled_back", Refused::already_rolled_back},
      {"not_found", Refused::not_found},
      {"not_group_member", Refused::not_group_member},
      {"forbidden", Refused::forbidden},
      {"rollback_expired", Refused::rollback_expired},
      {"already_migrated", Refused::already_migrated},
  };
  if (outcome == "group_modified")
    return group_modified(command);
  const auto* found = std::find_if(std::begin(kOutcomes), std::end(kOutcomes),
                                   [&](const auto& known) { return known.first == outcome; });
  Refusal refusal{.reason = found == std::end(kOutcomes) ? Refused::internal : found->second};
  switch (refusal.reason) {
  case Refused::in_progress:
  case Refused::already_migrated:
    refusal.registration_group_id = command.registration_group_id;
    break;
  case Refused::already_rolled_back:
    refusal.migration_id = optional_uuid(reply, 0, "o_migration_id");
    [[fallthrough]];
  case Refused::rollback_expired:
    refusal.authenticated_group_id = command.authenticated_group_id;
    break;
  default:
    break;
  }
  return refusal;
}

/// From BEGIN to COMMIT in one round trip, as a migration.
Answer attempt(Session& session, const UndoCommand& command) {
  const Reply reply = run_in_one_trip(
      session, statements::undo,
      {command.undo_id.text(), command.authenticated_group_id.text(), command.user_id.text(),
       command.registration_group_id, std::to_string(command.window.count()),
       command.idempotency_key, text_if_any(command.trace_id)});
  const std::string_view outcome = reply.text(0, "outcome");
  if (outcome != "rolled_back" && outcome != "replayed")
    return refusal_from(reply, command, outcome);
  auto done = undone(command, uuid(reply.text(0, "o_migration_id")),
                     uuid_array(reply.text(0, "o_device_ids")), reply.text(0, "o_rolled_back_at"));
  done.replayed = outcome == "replayed";
  return done;
}

void log_failure(domain::Log& log, const UndoCommand& command, std::string_view sqlstate,
                 const char* what, int attempts) {
  const std::string id = command.authenticated_group_id.text();
  log.event(domain::LogLevel::error, "undo.failed",
            {{"authenticated_group_id", std::string_view{id}},
             {"registration_group_id", std::string_view{command.registration_group_id}},
             {"trace_id", domain::if_any(command.trace_id)},
             {"sqlstate", sqlstate},
             {"error", std::string_view{what}},
             {"attempts", std::int64_t{attempts}}});
}

} // namespace

Answer find_origin(Session& session, const domain::FindOrigin& query) {
  Transaction transaction{session};
  if (const auto refusal = refuse_inactive(transaction, query.user_id))
    return *refusal;
  const auto rows = transaction.run(statements::find_origin, query.authenticated_group_id.text());
  if (rows.empty())
    return Refusal{Refused::not_found};
  return domain::GroupOrigin{rows.front()["registration_group_id"].c_str()};
}

Answer undo(Session& session, domain::Log& log, domain::Metrics& metrics,
            const UndoCommand& command) {
  for (int attempts = 1;; ++attempts) {
    const bool again = attempts < kMostAttempts && Clock::now() < command.deadline;
    try {
      return attempt(session, command);
    } catch (const CommitInDoubt& why) {
      log_failure(log, command, "08007", why.what(), attempts);
      return resolve_undo(session, log, metrics, command);
    } catch (const ConnectionLost& why) {
      // PostgreSQL did not come to COMMIT, so it has rolled back or will.
      if (!again) {
        log_failure(log, command, "08006", why.what(), attempts);
        return Refusal{Refused::database_unavailable};
      }
    } catch (const StatementFailed& why) {
      if (why.sqlstate() == kForeignKey)
        return group_modified(command);
      if (!again || !is_worth_retrying(why.sqlstate())) {
        log_failure(log, command, why.sqlstate(), why.what(), attempts);
        return Refusal{refusal_for(why.sqlstate())};
      }
      if (why.sqlstate() == "25006")
        session.drop(); // look for the primary again
    }
    pause_before_retry(attempts, command.deadline);
  }
}

Answer resolve_undo(Session& session, domain::Log& log, domain::Metrics& metrics,
                    const UndoCommand& command) {
  // As in resolve() of a migration: who holds the registration group's lock reads what is final.
  for (int attempts = 1; Clock::now() < command.deadline; ++attempts) {
    try {
      Transaction transaction{session};
      transaction.run(statements::wait_for_group, command.registration_group_id);
      const auto rows = transaction.run(
          statements::find_undo, command.authenticated_group_id.text(), command.undo_id.text());
      if (!rows.empty()) {
        transaction.run(statements::write_marker); // a kept COMMIT covers what was written before
        transaction.commit();
      }
      log.event(domain::LogLevel::warning, "undo.doubt_resolved",
                {{"trace_id", domain::if_any(command.trace_id)},
                 {"committed", !rows.empty()},
                 {"attempts", std::int64_t{attempts}}});
      metrics.doubt_ended(rows.empty() ? Doubt::rolled_back : Doubt::committed);
      if (rows.empty())
        return Refusal{Refused::database_unavailable};
      const auto row = rows.front();
      return undone(command, uuid(row["o_migration_id"]), uuid_array(row["o_device_ids"]),
                    row["o_rolled_back_at"].c_str());
    } catch (const std::exception&) {
      // Away still, or the lock is held still: what is in doubt stays in doubt until the deadline.
      pause_before_retry(std::min(attempts, 4), command.deadline);
    }
  }
  metrics.doubt_ended(Doubt::unresolved);
  return Refusal{Refused::timeout};
}

} // namespace regroup::db
