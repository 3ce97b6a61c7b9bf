#include "db/migration.hpp"

#include "db/callers.hpp"
#include "db/codec.hpp"
#include "db/jobs.hpp"
#include "db/outcomes.hpp"
#include "db/progress.hpp"
#include "db/retry.hpp"
#include "db/settlement.hpp"
#include "domain/names.hpp"

#include <algorithm>
#include <chrono>
#include <string_view>
#include <utility>

namespace regroup::db {
namespace {

using domain::Answer;
using domain::MigrationCommand;
using domain::MigrationCompleted;
using domain::Refusal;
using domain::Refused;
using Report = domain::Result<domain::MigrationReport>;
using Clock = std::chrono::steady_clock;

} // namespace

Refusal refusal_about(const MigrationCommand& command, Refused reason) {
  Refusal refusal;
  refusal.reason = reason;
  switch (reason) {
  case Refused::in_progress:
  case Refused::already_migrated:
  case Refused::no_devices:
  case Refused::not_device_owner:
  case Refused::not_owner_of_enough:
  case Refused::too_many_devices:
  case Refused::cancelled:
    refusal.registration_group_id = command.registration_group_id;
    break;
  case Refused::group_name_exists:
    refusal.group_name = command.group_name;
    break;
  case Refused::timeout:
    refusal.migration_id = command.migration_id;
    break;
  default:
    break;
  }
  return refusal;
}

MigrationCompleted completed_from(const Reply& reply) {
  MigrationCompleted done;
  done.migration_id = uuid(reply.text(0, "o_migration_id"));
  done.authenticated_group_id = uuid(reply.text(0, "o_group_id"));
  done.name = reply.text(0, "o_name");
  done.slug = reply.text(0, "o_slug");
  done.device_ids = uuid_array(reply.text(0, "o_device_ids"));
  done.devices_remaining = reply.number(0, "o_remaining");
  done.ignored_device_ids = uuid_array(reply.text(0, "o_ignored"));
  return done;
}

namespace {

MigrationCompleted completed_from_audit(const Row& row) {
  MigrationCompleted done;
  done.migration_id = uuid(row.text("id"));
  done.authenticated_group_id =
      optional_uuid(row, "authenticated_group_id").value_or(domain::Uuid{});
  done.name = row.text("group_name");
  done.slug = row.text("group_slug");
  done.device_ids = uuid_array(row.text("device_ids"));
  done.devices_remaining = row.number("devices_remaining");
  done.ignored_device_ids = uuid_array(row.text("ignored_device_ids"));
  return done;
}

/// Records in the migration's progress when a worker first took it, and at its end how long that is
/// ago.
class WorkerTime {
public:
  WorkerTime(const MigrationCommand& command, Clock::time_point started) : command_(command) {
    std::int64_t not_yet = -1;
    if (command.progress)
      command.progress->queue_us.compare_exchange_strong(not_yet,
                                                         microseconds(started - command.received));
  }
  ~WorkerTime() {
    if (command_.progress)
      command_.progress->database_us =
          microseconds(Clock::now() - command_.received) - command_.progress->queue_us;
  }
  WorkerTime(const WorkerTime&) = delete;
  WorkerTime& operator=(const WorkerTime&) = delete;

private:
  const MigrationCommand& command_;
};

std::int64_t limit_for(const MigrationCommand& command, const SchemaFacts& facts) {
  return std::min(command.max_devices, facts.most_devices);
}

} // namespace

Parameters parameters_of(const MigrationCommand& command, const SchemaFacts& facts,
                         Clock::time_point started) {
  std::optional<std::string> device_ids;
  if (command.device_ids)
    device_ids = uuid_array_text(*command.device_ids);
  std::optional<std::string> key;
  std::optional<std::string> request_hash;
  if (const auto& given = command.idempotency) {
    key = given->key;
    request_hash = given->request_hash;
  }
  const auto now = Clock::now();
  return {command.migration_id.text(),
          command.authenticated_group_id.text(),
          command.user_id.text(),
          command.registration_group_id,
          command.group_name,
          domain::cut_slug(command.slug, facts.slug_width),
          std::move(device_ids),
          std::to_string(limit_for(command, facts)),
          std::to_string(facts.default_max_devices),
          std::move(key),
          std::move(request_hash),
          domain::name_of(command.require_owner),
          command.into_group ? "true" : "false",
          text_if_any(command.trace_id),
          std::to_string(microseconds(now - command.received)),
          std::to_string(microseconds(now - started)),
          std::to_string(command.link_age.count())};
}

namespace {

Answer answer_of(const Reply& reply, const MigrationCommand& command, const SchemaFacts& facts) {
  if (command.progress && !reply.is_null(0, "lock_us"))
    command.progress->lock_us = reply.number(0, "lock_us");
  const std::string_view outcome = reply.text(0, "outcome");
  if (outcome != "completed" && outcome != "replayed")
    return refusal_of(outcome, reply, command, limit_for(command, facts));
  if (reply.is_null(0, "o_group_id")) { // replayed, but another program has deleted the group since
    Refusal refusal = refusal_about(command, Refused::already_migrated);
    refusal.migration_id = optional_uuid(reply, 0, "o_migration_id");
    return refusal;
  }
  MigrationCompleted done = completed_from(reply);
  done.replayed = outcome == "replayed";
  return Answer{std::move(done)};
}

/// From BEGIN to COMMIT in one round trip; see transaction.hpp, and functions/migrate.sql for why a
/// COMMIT after a refusal commits nothing.
Task<Answer> attempt(const Tools& tools, const MigrationCommand& command,
                     Clock::time_point started) {
  auto parameters = parameters_of(command, tools.facts, started);
  const Reply reply =
      co_await run_in_one_trip(tools.session, statements::migrate, std::move(parameters));
  co_return decoded(reply,
                    [&](const Reply& kept) { return answer_of(kept, command, tools.facts); });
}

} // namespace

Refusal refusal_of(std::string_view outcome, const Reply& reply, const MigrationCommand& command,
                   std::int64_t limit) {
  Refusal refusal = refusal_about(command, refusal_named(outcome).value_or(Refused::internal));
  if (refusal.reason == Refused::already_migrated) {
    refusal.authenticated_group_id = optional_uuid(reply, 0, "o_group_id");
    refusal.migration_id = optional_uuid(reply, 0, "o_migration_id");
    if (!reply.is_null(0, "o_name"))
      refusal.group_name = reply.text(0, "o_name");
    refusal.migrated_in_parts = outcome == "migrated_in_parts";
  } else if (refusal.reason == Refused::not_owner_of_enough) {
    refusal.ownership = {command.require_owner, reply.number(0, "o_linked"),
                         reply.number(0, "o_owned")};
  } else if (refusal.reason == Refused::too_many_devices) {
    refusal.device_count = reply.number(0, "o_device_count");
    refusal.limit = limit;
  }
  return refusal;
}

namespace {

Task<Answer> migrate(const Tools& tools, domain::MigrationPtr command) {
  const auto started = Clock::now();
  const WorkerTime time{*command, started};
  const ProgressWatch watch{tools.session, command->progress.get()};
  const domain::Operation operation{command};
  auto ended =
      co_await run_operation(tools, operation, [&] { return attempt(tools, *command, started); });
  if (const auto* why = std::get_if<NotKept>(&ended)) {
    const Refused reason = refusal_for(*why);
    co_return co_await record_failure(tools, command, reason, started);
  }
  co_return std::get<Answer>(std::move(ended));
}

Report report_from(const Row& row, const domain::FindMigration& query) {
  using Status = domain::MigrationReport::Status;
  const bool is_known_by_id_alone = row.text("registration_group_id").empty(); // settle.sql
  if (query.initiator && !is_known_by_id_alone && optional_uuid(row, "user_id") != query.initiator)
    return Refusal{.reason = Refused::not_found};
  domain::MigrationReport report;
  const std::string_view status = row.text("status");
  report.status = status == "failed"        ? Status::failed
                  : status == "rolled_back" ? Status::rolled_back
                                            : Status::completed;
  report.registration_group_id = row.text("registration_group_id");
  report.completed_at = row.text("created_at");
  report.rolled_back_at = row.text("rolled_back_at");
  if (report.status == Status::failed) {
    report.error_code = row.text("error_code");
    report.error_message = row.text("error_message");
  }
  report.result = completed_from_audit(row);
  return report;
}

Task<std::optional<Report>> recorded_migration(Session& session,
                                               const domain::FindMigration& query) {
  Transaction transaction{session};
  if (query.initiator) {
    const auto refusal = co_await refuse_inactive(transaction, *query.initiator);
    if (refusal)
      co_return *refusal;
  }
  Parameters parameters{query.migration_id.text()};
  const Reply reply =
      co_await transaction.run_and_commit(statements::find_migration, std::move(parameters));
  if (reply.empty())
    co_return std::nullopt;
  co_return report_from(reply.row(0), query);
}

Task<Report> find_migration(Session& session, const domain::FindMigration& query) {
  const auto running = co_await find_running(session, query);
  if (running)
    co_return *running;
  auto found = co_await recorded_migration(session, query);
  if (!found && query.initiator && query.final_after) {
    const bool abandoned = co_await settle_abandoned(session, query.migration_id, *query.initiator,
                                                     *query.final_after);
    if (abandoned)
      found = co_await recorded_migration(session, query);
  }
  if (!found)
    co_return Refusal{.reason = Refused::not_found};
  co_return *found;
}

} // namespace

void add_migration(JobTable& table) {
  table.add(migrate);
  table.add(find_migration);
}

} // namespace regroup::db
