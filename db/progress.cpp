#include "db/progress.hpp"

#include "db/callers.hpp"
#include "db/codec.hpp"

#include <string_view>

namespace regroup::db {

using Clock = std::chrono::steady_clock;
using domain::Answer;
using domain::Refusal;
using domain::Refused;

Answer note_running(Session& session, const domain::NoteRunning& job) {
  const auto& migration = *job.migration;
  std::optional<std::string> device_ids;
  if (migration.device_ids)
    device_ids = uuid_array_text(*migration.device_ids);
  const auto trace_id = text_if_any(migration.trace_id);
  Transaction transaction{session};
  transaction.run(statements::promise_nothing);
  const auto total =
      transaction
          .run(statements::note_running, migration.migration_id.text(), migration.user_id.text(),
               migration.registration_group_id, text_or_null(device_ids), text_or_null(trace_id),
               microseconds(Clock::now() - migration.received))
          .front()
          .front()
          .as<std::int64_t>();
  transaction.commit();
  return domain::RunningNoted{total};
}

Answer tell_progress(Session& session, const domain::TellProgress& job) {
  std::vector<domain::Uuid> ids;
  std::string processed;
  for (const auto& migration : job.migrations) {
    ids.push_back(migration->migration_id);
    processed += (processed.empty() ? "{" : ",") +
                 std::to_string(migration->progress ? migration->progress->processed.load() : 0);
  }
  Transaction transaction{session};
  transaction.run(statements::promise_nothing);
  transaction.run(statements::tell_progress, uuid_array_text(ids), processed + "}");
  transaction.commit();
  return domain::Done{};
}

Answer end_running(Session& session, const domain::EndRunning& job) {
  const auto& migration = *job.migration;
  const auto trace_id = text_if_any(migration.trace_id);
  const auto received = microseconds(Clock::now() - migration.received);
  std::optional<std::string> started; // not all come to a worker
  if (migration.progress && migration.progress->has_run())
    started = std::to_string(received - migration.progress->queue_us);
  Transaction transaction{session};
  transaction.run(statements::promise_nothing);
  if (!job.error_code.empty())
    transaction.run(statements::settle, "migration", migration.migration_id.text(),
                    migration.user_id.text(), migration.registration_group_id, nullptr, "none",
                    job.error_code, job.error_message, text_or_null(trace_id), received,
                    text_or_null(started));
  transaction.run(statements::forget_running, migration.migration_id.text());
  transaction.commit();
  return domain::Done{};
}

std::optional<Answer> find_running(Session& session, const domain::FindMigration& query) {
  Transaction transaction{session};
  const auto row = transaction
                       .run(statements::find_running, query.migration_id.text(),
                            std::int64_t{kSilentReplica.count()})
                       .front();
  const std::string_view outcome = row["outcome"].c_str();
  if (outcome == "settled")
    transaction.commit();
  if (outcome != "running")
    return std::nullopt;
  if (query.initiator) {
    if (const auto refusal = refuse_inactive(transaction, *query.initiator))
      return *refusal;
    if (optional_uuid(row["o_user_id"]) != query.initiator)
      return Refusal{Refused::not_found};
  }
  domain::MigrationReport report;
  report.status = domain::MigrationReport::Status::in_progress;
  report.registration_group_id = row["o_registration_group_id"].c_str();
  report.devices_total = row["o_total"].as<std::int64_t>();
  report.devices_processed = row["o_processed"].as<std::int64_t>();
  report.result.migration_id = query.migration_id;
  return report;
}

} // namespace regroup::db
