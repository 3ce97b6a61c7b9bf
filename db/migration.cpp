#include "db/migration.hpp"

#include "db/callers.hpp"
#include "db/codec.hpp"
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

MigrationCompleted completed_from_audit(const pqxx::row& row) {
  MigrationCompleted done;
  done.migration_id = uuid(row["id"]);
  done.authenticated_group_id =
      optional_uuid(row["authenticated_group_id"]).value_or(domain::Uuid{});
  done.name = row["group_name"].c_str();
  done.slug = row["group_slug"].c_str();
  done.device_ids = uuid_array(row["device_ids"]);
  done.devices_remaining = row["devices_remaining"].as<std::int64_t>();
  done.ignored_device_ids = uuid_array(row["ignored_device_ids"]);
  return done;
}

/// Tells the migration's progress when a worker took it up, the first time, and for how long it
/// was with workers.
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

Answer answer_of(const Reply& reply, const MigrationCommand& command, const SchemaFacts& facts) {
  if (command.progress && !reply.is_null(0, "lock_us"))
    command.progress->lock_us = reply.number(0, "lock_us");
  const std::string_view outcome = reply.text(0, "outcome");
  if (outcome != "completed" && outcome != "replayed")
    return refusal_of(outcome, reply, command, limit_for(command, facts));
  if (reply.is_null(0, "o_group_id")) { // replayed, and another program has deleted the group since
    Refusal refusal = refusal_about(command, Refused::already_migrated);
    refusal.migration_id = optional_uuid(reply, 0, "o_migration_id");
    return refusal;
  }
  MigrationCompleted done = completed_from(reply);
  done.replayed = outcome == "replayed";
  return done;
}

/// From a worker's taking it up to its outcome. Each attempt goes from BEGIN to COMMIT in one round
/// trip: see one_trip.hpp, and functions/migrate.sql for why a COMMIT that follows a refusal
/// commits nothing. One whose end is unknown is never sent again: it is settled (settlement.hpp).
class Migration final : public UnderWay {
public:
  Migration(const MigrationTools& tools, domain::MigrationPtr command)
      : tools_(tools), command_(std::move(command)), time_(*command_, started_),
        watch_(tools.session, command_->progress.get()) {}

  /// Over a session that is ready.
  void send() {
    trip_.emplace(tools_.session, statements::migrate,
                  parameters_of(*command_, tools_.facts, started_));
  }

  bool has_arrived() override { return trip_->has_arrived(); }

  std::optional<Answer> answer() override {
    if (!trip_->went_well())
      return std::nullopt;
    return read();
  }

  Answer finish() override {
    for (int attempts = 1;; ++attempts) {
      try {
        if (!trip_) {
          tools_.session.open();
          send();
        }
        return read();
      } catch (const NotKept& why) {
        trip_.reset();
        leave_if_lost({tools_.session, tools_.log, tools_.metrics}, command_, command_->deadline,
                      why, attempts);
        if (!is_worth_another_attempt(why, attempts, command_->deadline))
          return answer_to(why, attempts);
      }
      pause_before_retry(attempts, command_->deadline);
    }
  }

private:
  Answer read() {
    return decoded(trip_->finish(), [this](const Reply& reply) {
      return answer_of(reply, *command_, tools_.facts);
    });
  }

  Answer answer_to(const NotKept& why, int attempts) {
    log_failure(tools_.log, command_, why, attempts);
    const OperationTools tools{tools_.session, tools_.log, tools_.metrics};
    if (why.ended() == Ended::unknown)
      return settle(tools, {command_, command_->deadline});
    return record_failure(tools, command_, refusal_for(why), started_);
  }

  MigrationTools tools_;
  domain::MigrationPtr command_;
  Clock::time_point started_ = Clock::now();
  WorkerTime time_;
  ProgressWatch watch_;
  std::optional<OneTrip> trip_;
};

} // namespace

Refusal refusal_of(std::string_view outcome, const Reply& reply, const MigrationCommand& command,
                   std::int64_t limit) {
  static constexpr std::pair<std::string_view, Refused> kOutcomes[]{
      {"in_progress", Refused::in_progress},
      {"already_migrated", Refused::already_migrated},
      {"migrated_in_parts", Refused::already_migrated},
      {"no_devices", Refused::no_devices},
      {"not_device_owner", Refused::not_device_owner},
      {"not_owner_of_enough", Refused::not_owner_of_enough},
      {"too_many_devices", Refused::too_many_devices},
      {"group_name_exists", Refused::group_name_exists},
      {"group_not_found", Refused::not_found},
      {"not_group_member", Refused::not_group_member},
      {"forbidden", Refused::forbidden},
      {"idempotency_mismatch", Refused::idempotency_mismatch},
      {"unauthorized", Refused::unauthorized},
  };
  const auto* found = std::find_if(std::begin(kOutcomes), std::end(kOutcomes),
                                   [&](const auto& known) { return known.first == outcome; });
  Refusal refusal =
      refusal_about(command, found == std::end(kOutcomes) ? Refused::internal : found->second);
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

Answer migrate(const MigrationTools& tools, const domain::MigrationPtr& command) {
  return Migration{tools, command}.finish();
}

std::unique_ptr<UnderWay> begin_migration(const MigrationTools& tools,
                                          domain::MigrationPtr command) {
  auto migration = std::make_unique<Migration>(tools, std::move(command));
  migration->send();
  return migration;
}

namespace {

std::optional<Answer> recorded_migration(Session& session, const domain::FindMigration& query) {
  using Status = domain::MigrationReport::Status;
  Transaction transaction{session};
  if (query.initiator)
    if (const auto refusal = refuse_inactive(transaction, *query.initiator))
      return *refusal;
  const auto rows = transaction.run(statements::find_migration, query.migration_id.text());
  if (rows.empty())
    return std::nullopt;
  const auto row = rows.front();
  const bool is_known_by_id_alone = row["registration_group_id"].size() == 0; // settle.sql
  if (query.initiator && !is_known_by_id_alone && optional_uuid(row["user_id"]) != query.initiator)
    return Refusal{Refused::not_found};
  domain::MigrationReport report;
  const std::string_view status = row["status"].c_str();
  report.status = status == "failed"        ? Status::failed
                  : status == "rolled_back" ? Status::rolled_back
                                            : Status::completed;
  report.registration_group_id = row["registration_group_id"].c_str();
  report.completed_at = row["created_at"].c_str();
  report.rolled_back_at = row["rolled_back_at"].c_str();
  if (report.status == Status::failed) {
    report.error_code = row["error_code"].c_str();
    report.error_message = row["error_message"].c_str();
  }
  report.result = completed_from_audit(row);
  return report;
}

} // namespace

Answer find_migration(Session& session, const domain::FindMigration& query) {
  if (const auto running = find_running(session, query))
    return *running;
  auto found = recorded_migration(session, query);
  if (!found && query.initiator && query.final_after &&
      settle_abandoned(session, query.migration_id, *query.initiator, *query.final_after))
    found = recorded_migration(session, query);
  return found.value_or(Refusal{.reason = Refused::not_found});
}

} // namespace regroup::db
