// POST /api/v1/groups/{group_id}/rollback
#include "http/api.hpp"
#include "http/outcome_table.hpp"
#include "http/replies.hpp"

#include <utility>

namespace regroup::http {
namespace {

using domain::Refusal;
using domain::Refused;
using domain::Uuid;
using Clock = std::chrono::steady_clock;

constexpr std::string_view kUndone = "rolled_back";

Reply reply_to_undo(const domain::MigrationUndone& undone) {
  Reply reply{200, to_json(undone)};
  reply.outcome = kUndone;
  if (undone.replayed)
    reply.headers.emplace_back("Idempotency-Replayed", "true");
  return reply;
}

} // namespace

void Api::undo(const Request& request, const Respond& respond) {
  with_user(request, respond, [&](const Uuid& user) {
    if (!request.has_body)
      return undo_as(user, request, respond);
    with_body(request, respond, [this, &request, respond, user](std::string_view body) {
      if (const auto refusal = refuse_content(body, parts_.unicode))
        return respond(to_reply(*refusal));
      undo_as(user, request, respond);
    });
  });
}

void Api::undo_as(const Uuid& user, const Request& request, const Respond& respond) {
  auto key = idempotency_key(request);
  if (const auto* refusal = std::get_if<Refusal>(&key))
    return respond(to_reply(*refusal));
  const auto group = Uuid::parse(request.parameters.at(0));
  if (!group)
    return respond(to_reply(invalid("group_id", "must be a UUID")));
  submit_undo({.undo_id = Uuid::time_ordered(),
               .authenticated_group_id = *group,
               .user_id = user,
               .registration_group_id = {},
               .window = settings_.rollback_window,
               .idempotency_key = std::move(std::get<0>(key)),
               .trace_id = std::string{request.trace_id},
               .deadline = deadline_of(request)},
              request, respond);
}

void Api::submit_undo(domain::UndoCommand command, const Request& request, const Respond& respond) {
  using Undone = domain::Result<domain::MigrationUndone>;
  const auto log = [this, &request, respond](const domain::UndoCommand& what,
                                             const Undone& result) {
    const auto* done = result.value();
    const std::string user = what.user_id.text();
    const std::string group = what.authenticated_group_id.text();
    const std::string migration = done ? done->migration_id.text() : std::string{};
    if (done)
      request.facts.migration_id = done->migration_id;
    parts_.log.event(domain::LogLevel::info, "undo",
                     {{"request_id", std::string_view{request.request_id}},
                      {"trace_id", domain::if_any(request.trace_id)},
                      {"migration_id", domain::if_any(migration)},
                      {"authenticated_group_id", std::string_view{group}},
                      {"registration_group_id", std::string_view{what.registration_group_id}},
                      {"user_id", std::string_view{user}},
                      {"outcome", done ? kUndone : row_of(result.refusal().reason).code}});
    answer_with<domain::MigrationUndone>(respond, kRetryWriteAfter, reply_to_undo)(result);
  };
  // First look up the registration group, whose actor and lock the undo uses. It is on record and
  // does not change.
  const domain::FindOrigin origin{command.authenticated_group_id, command.user_id,
                                  command.deadline};
  parts_.gateway.ask(origin, [this, log, &request, command = std::move(command)](
                                 const domain::Result<domain::GroupOrigin>& result) mutable {
    const auto* found = result.value();
    if (found == nullptr) {
      Refusal refusal = result.refusal();
      if (refusal.reason == Refused::timeout)
        refusal.operation_id = command.undo_id; // even though the undo did not begin
      return log(command, refusal);
    }
    command.registration_group_id = found->registration_group_id;
    const auto undo = std::make_shared<const domain::UndoCommand>(command);
    request.facts.registration_group_id = {undo, &undo->registration_group_id};
    parts_.gateway.ask(undo, [log, undo](const Undone& outcome) { log(*undo, outcome); });
  });
}

} // namespace regroup::http
