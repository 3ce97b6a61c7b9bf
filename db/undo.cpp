#include "db/undo.hpp"

#include "db/callers.hpp"
#include "db/codec.hpp"
#include "db/one_trip.hpp"
#include "db/retry.hpp"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

namespace regroup::db {
namespace {

using domain::Answer;
using domain::MigrationUndone;
using domain::Refusal;
using domain::Refused;
using domain::UndoCommand;

/// Another program's table refers to the group, and will not let it go: it is in use.
constexpr std::string_view kForeignKey = "23503";

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
  return run_in_one_trip(session, statements::undo,
                         {command.undo_id.text(), command.authenticated_group_id.text(),
                          command.user_id.text(), command.registration_group_id,
                          std::to_string(command.window.count()), command.idempotency_key,
                          text_if_any(command.trace_id)},
                         [&](const Reply& reply) -> Answer {
                           const std::string_view outcome = reply.text(0, "outcome");
                           if (outcome != "rolled_back" && outcome != "replayed")
                             return refusal_from(reply, command, outcome);
                           auto done = undone_from(command, reply);
                           done.replayed = outcome == "replayed";
                           return done;
                         });
}

} // namespace

MigrationUndone undone_from(const UndoCommand& command, const Reply& reply) {
  MigrationUndone undone;
  undone.migration_id = uuid(reply.text(0, "o_migration_id"));
  undone.authenticated_group_id = command.authenticated_group_id;
  undone.registration_group_id = command.registration_group_id;
  undone.device_ids = uuid_array(reply.text(0, "o_device_ids"));
  undone.rolled_back_at = reply.text(0, "at");
  return undone;
}

Answer find_origin(Session& session, const domain::FindOrigin& query) {
  Transaction transaction{session};
  if (const auto refusal = refuse_inactive(transaction, query.user_id))
    return *refusal;
  const auto rows = transaction.run(statements::find_origin, query.authenticated_group_id.text());
  if (rows.empty())
    return Refusal{Refused::not_found};
  return domain::GroupOrigin{rows.front()["registration_group_id"].c_str()};
}

Answer undo(const OperationTools& tools, const domain::UndoPtr& command) {
  for (int attempts = 1;; ++attempts) {
    try {
      return attempt(tools.session, *command);
    } catch (const NotKept& why) {
      leave_if_lost(tools, command, command->deadline, why, attempts);
      if (why.sqlstate() == kForeignKey && why.ended() == Ended::refused)
        return group_modified(*command);
      if (!is_worth_another_attempt(why, attempts, command->deadline)) {
        log_failure(tools.log, command, why, attempts);
        if (why.ended() == Ended::unknown)
          return settle(tools, {command, command->deadline});
        return Refusal{.reason = refusal_for(why)};
      }
    }
    pause_before_retry(attempts, command->deadline);
  }
}

} // namespace regroup::db
