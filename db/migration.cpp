#include "db/migration.hpp"

#include "db/codec.hpp"
#include "db/progress.hpp"
#include "db/retry.hpp"
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
using Doubt = domain::Metrics::Doubt;
using Clock = std::chrono::steady_clock;

/// Raised by regroup_migrate_v1 where the migration's id has a row, which says that it failed.
constexpr std::string_view kIdTaken = "RG002";
constexpr std::string_view kCancelled = "migration/cancelled";

Refusal about(const MigrationCommand& command, Refused reason) {
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
          std::to_string(microseconds(now - started))};
}

Answer answer_of(const Reply& reply, const MigrationCommand& command, const SchemaFacts& facts) {
  if (command.progress && !reply.is_null(0, "lock_us"))
    command.progress->lock_us = reply.number(0, "lock_us");
  const std::string_view outcome = reply.text(0, "outcome");
  if (outcome != "completed" && outcome != "replayed")
    return refusal_of(outcome, reply, command, limit_for(command, facts));
  if (reply.is_null(0, "o_group_id")) { // replayed, and another program has deleted the group since
    Refusal refusal = about(command, Refused::already_migrated);
    refusal.migration_id = optional_uuid(reply, 0, "o_migration_id");
    return refusal;
  }
  MigrationCompleted done = completed_from(reply);
  done.replayed = outcome == "replayed";
  return done;
}

std::string_view public_message(Refused reason) {
  return reason == Refused::internal ? "The migration failed and changed nothing"
                                     : "The database could not complete the migration";
}

/// Whether an administrator has taken the migration's id (functions/live.sql).
bool was_cancelled(Session& session, const MigrationCommand& command) {
  Transaction transaction{session};
  const auto rows = transaction.run(statements::find_migration, command.migration_id.text());
  return !rows.empty() && std::string_view{rows.front()["error_code"].c_str()} == kCancelled;
}

/// False when the migration's id has a row already.
bool insert_failure(Session& session, const MigrationCommand& command, Refused reason,
                    Clock::time_point started) {
  const auto trace_id = text_if_any(command.trace_id);
  Transaction transaction{session};
  const auto now = Clock::now();
  const auto took = microseconds(now - started);
  const auto written = transaction.run(
      statements::record_failure, command.migration_id.text(), command.user_id.text(),
      command.registration_group_id,
      reason == Refused::internal ? "server/internal" : "server/database-unavailable",
      std::string{public_message(reason)}, took / 1000, text_or_null(trace_id),
      microseconds(now - command.received), took);
  transaction.commit();
  return written.affected_rows() > 0;
}

/// Leaves a `failed` row, in a transaction of its own, and says why the migration failed: `reason`,
/// or `cancelled` where an administrator's row is there already. Where the database cannot be
/// reached there is none: then the log alone tells.
Refused record_failure(Session& session, domain::Log& log, const MigrationCommand& command,
                       Refused reason, Clock::time_point started) {
  try {
    if (!insert_failure(session, command, reason, started) && was_cancelled(session, command))
      return Refused::cancelled;
  } catch (const std::exception& why) {
    log.event(domain::LogLevel::warning, "migration.failure_not_recorded",
              {{"migration_id", std::string_view{command.migration_id.text()}},
               {"trace_id", domain::if_any(command.trace_id)},
               {"error", std::string_view{why.what()}}});
  }
  return reason;
}

void log_failure(domain::Log& log, const MigrationCommand& command, std::string_view sqlstate,
                 const char* what, int attempts) {
  const std::string id = command.migration_id.text();
  log.event(domain::LogLevel::error, "migration.failed",
            {{"migration_id", std::string_view{id}},
             {"registration_group_id", std::string_view{command.registration_group_id}},
             {"trace_id", domain::if_any(command.trace_id)},
             {"sqlstate", sqlstate},
             {"error", std::string_view{what}},
             {"attempts", std::int64_t{attempts}}});
}

/// From a worker's taking it up to its outcome. Each attempt goes from BEGIN to COMMIT in one round
/// trip: see one_trip.hpp, and functions/migrate.sql for why a COMMIT that follows a refusal commits
/// nothing.
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
      } catch (const std::exception&) {
        trip_.reset();
        if (auto failed = answer_to_failure(attempts))
          return *std::move(failed);
      }
      pause_before_retry(attempts, command_->deadline);
    }
  }

private:
  Answer read() { return answer_of(trip_->finish(), *command_, tools_.facts); }

  /// Within the handler of the attempt's exception: nothing when it is worth another attempt.
  std::optional<Answer> answer_to_failure(int attempts) {
    const bool again = attempts < kMostAttempts && Clock::now() < command_->deadline;
    try {
      throw;
    } catch (const CommitInDoubt& why) {
      log_failure(tools_.log, *command_, "08007", why.what(), attempts);
      return resolve(tools_.session, tools_.log, tools_.metrics, *command_);
    } catch (const ConnectionLost& why) {
      // PostgreSQL did not come to COMMIT, so it has rolled back or will.
      if (again)
        return std::nullopt;
      log_failure(tools_.log, *command_, "08006", why.what(), attempts);
      return failed(Refused::database_unavailable);
    } catch (const StatementFailed& why) {
      if (why.sqlstate() == kIdTaken)
        return failed(Refused::database_unavailable);
      if (!again || !is_worth_retrying(why.sqlstate())) {
        log_failure(tools_.log, *command_, why.sqlstate(), why.what(), attempts);
        return failed(refusal_for(why.sqlstate()));
      }
      if (why.sqlstate() == "25006")
        tools_.session.drop(); // look for the primary again
      return std::nullopt;
    }
  }

  Answer failed(Refused reason) {
    return about(*command_,
                 record_failure(tools_.session, tools_.log, *command_, reason, started_));
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
      about(command, found == std::end(kOutcomes) ? Refused::internal : found->second);
  if (refusal.reason == Refused::already_migrated) {
    refusal.authenticated_group_id = optional_uuid(reply, 0, "o_group_id");
    refusal.migration_id = optional_uuid(reply, 0, "o_migration_id");
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

Answer resolve(Session& session, domain::Log& log, domain::Metrics& metrics,
               const MigrationCommand& command) {
  // The rule: COMMIT may have been sent, so nothing may be assumed and nothing may be sent again.
  // The backend that got it still holds the registration group's lock until it has committed or
  // rolled back: once we hold that lock, what we read is final. The id that we look for was chosen
  // before the migration began.
  const auto started = Clock::now();
  const WorkerTime time{command, started};
  for (int attempts = 1; Clock::now() < command.deadline; ++attempts) {
    try {
      Transaction transaction{session};
      transaction.run(statements::wait_for_group, command.registration_group_id);
      const auto rows = transaction.run(statements::find_migration, command.migration_id.text());
      const bool found =
          !rows.empty() && std::string_view{rows.front()["status"].c_str()} != "failed";
      if (found) {
        // Seen here is not yet safe: its COMMIT may have ended without the standby's word. A COMMIT
        // of our own that is kept covers all that was written before it.
        transaction.run(statements::write_marker);
        transaction.commit();
      }
      log.event(domain::LogLevel::warning, "migration.doubt_resolved",
                {{"migration_id", std::string_view{command.migration_id.text()}},
                 {"trace_id", domain::if_any(command.trace_id)},
                 {"committed", found},
                 {"attempts", std::int64_t{attempts}}});
      metrics.doubt_ended(found ? Doubt::committed : Doubt::rolled_back);
      if (found)
        return completed_from_audit(rows.front());
    } catch (const std::exception&) {
      // Away still, or the lock is held still: what is in doubt stays in doubt until the deadline.
      pause_before_retry(std::min(attempts, 4), command.deadline);
      continue;
    }
    return about(command,
                 record_failure(session, log, command, Refused::database_unavailable, started));
  }
  metrics.doubt_ended(Doubt::unresolved);
  return about(command, Refused::timeout);
}

Answer find_migration(Session& session, const domain::FindMigration& query) {
  using Status = domain::MigrationReport::Status;
  if (const auto running = find_running(session, query))
    return *running;
  Transaction transaction{session};
  const auto rows = transaction.run(statements::find_migration, query.migration_id.text());
  if (rows.empty())
    return Refusal{Refused::not_found};
  const auto row = rows.front();
  if (query.initiator && optional_uuid(row["user_id"]) != query.initiator)
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

} // namespace regroup::db
