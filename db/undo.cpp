#include "db/undo.hpp"

#include "db/callers.hpp"
#include "db/codec.hpp"
#include "db/jobs.hpp"
#include "db/outcomes.hpp"
#include "db/retry.hpp"
#include "db/settlement.hpp"

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

/// Another program's table refers to the group and keeps it from being deleted: it is in use.
constexpr std::string_view kForeignKey = "23503";

Refusal group_modified(const UndoCommand& command) {
  return Refusal{.reason = Refused::group_modified,
                 .authenticated_group_id = command.authenticated_group_id};
}

/// An outcome of regroup_undo_v1 other than 'rolled_back' and 'replayed'.
Refusal refusal_from(const Reply& reply, const UndoCommand& command, std::string_view outcome) {
  if (outcome == "group_modified")
    return group_modified(command);
  Refusal refusal{.reason = refusal_named(outcome).value_or(Refused::internal)};
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

Answer answer_from(const Reply& reply, const UndoCommand& command) {
  const std::string_view outcome = reply.text(0, "outcome");
  if (outcome != "rolled_back" && outcome != "replayed")
    return refusal_from(reply, command, outcome);
  auto done = undone_from(command, reply);
  done.replayed = outcome == "replayed";
  return Answer{std::move(done)};
}

/// From BEGIN to COMMIT in one round trip, like a migration.
Task<Answer> attempt(Session& session, const UndoCommand& command) {
  const auto outcome =
      co_await outcome_of(run_in_one_trip(session, statements::undo, parameters_of(command)));
  if (const auto* why = std::get_if<NotKept>(&outcome)) {
    if (why->sqlstate() == kForeignKey && why->ended() == Ended::refused)
      co_return group_modified(command);
    throw NotKept{*why};
  }
  co_return decoded(std::get<Reply>(outcome),
                    [&](const Reply& kept) { return answer_from(kept, command); });
}

} // namespace

Parameters parameters_of(const UndoCommand& command) {
  return {command.undo_id.text(),
          command.authenticated_group_id.text(),
          command.user_id.text(),
          command.registration_group_id,
          std::to_string(command.window.count()),
          command.idempotency_key,
          text_if_any(command.trace_id)};
}

MigrationUndone undone_from(const UndoCommand& command, const Reply& reply) {
  MigrationUndone undone;
  undone.migration_id = uuid(reply.text(0, "o_migration_id"));
  undone.authenticated_group_id = command.authenticated_group_id;
  undone.registration_group_id = command.registration_group_id;
  undone.device_ids = uuid_array(reply.text(0, "o_device_ids"));
  undone.rolled_back_at = reply.text(0, "at");
  return undone;
}

namespace {

Task<domain::Result<domain::GroupOrigin>> find_origin(Session& session,
                                                      const domain::FindOrigin& query) {
  Transaction transaction{session};
  const auto refusal = co_await refuse_inactive(transaction, query.user_id);
  if (refusal)
    co_return *refusal;
  Parameters parameters{query.authenticated_group_id.text()};
  const Reply found =
      co_await transaction.run_and_commit(statements::find_origin, std::move(parameters));
  if (found.empty())
    co_return Refusal{.reason = Refused::not_found};
  co_return domain::GroupOrigin{std::string{found.text(0, "registration_group_id")}};
}

Task<Answer> undo(const Tools& tools, domain::UndoPtr command) {
  const domain::Operation operation{command};
  auto ended =
      co_await run_operation(tools, operation, [&] { return attempt(tools.session, *command); });
  const auto* why = std::get_if<NotKept>(&ended);
  if (why == nullptr)
    co_return std::get<Answer>(std::move(ended));
  co_return Refusal{.reason = refusal_for(*why)};
}

} // namespace

void add_undo(JobTable& table) {
  table.add(undo);
  table.add(find_origin);
}

} // namespace regroup::db
