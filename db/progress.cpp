#include "db/progress.hpp"

#include "db/callers.hpp"
#include "db/codec.hpp"
#include "db/jobs.hpp"
#include "db/settlement.hpp"
#include "db/transaction.hpp"

#include <string_view>
#include <utility>

namespace regroup::db {

using Clock = std::chrono::steady_clock;
using domain::Refusal;
using domain::Refused;
using domain::Result;

namespace {

Task<Result<domain::RunningNoted>> note_running(Session& session, const domain::NoteRunning& job) {
  const auto& migration = *job.migration;
  Parameters parameters{migration.migration_id.text(), migration.user_id.text(),
                        migration.registration_group_id};
  parameters.push_back(migration.device_ids ? std::optional{uuid_array_text(*migration.device_ids)}
                                            : std::nullopt);
  parameters.push_back(text_if_any(migration.trace_id));
  parameters.push_back(std::to_string(microseconds(Clock::now() - migration.received)));
  Transaction transaction{session};
  co_await transaction.run(statements::promise_nothing);
  const Reply noted =
      co_await transaction.run_and_commit(statements::note_running, std::move(parameters));
  co_return domain::RunningNoted{noted.number(0, "total")};
}

Task<Result<domain::Done>> publish_running(Session& session, const domain::PublishRunning& job) {
  std::vector<domain::Uuid> ids;
  std::vector<domain::Uuid> users;
  std::vector<std::string> groups;
  std::vector<std::string> trace_ids;
  std::vector<std::int64_t> ages;
  std::vector<std::int64_t> totals;
  std::vector<std::int64_t> processed;
  std::vector<std::int64_t> answered_202;
  const auto now = Clock::now();
  for (const auto& [migration, is_answered_202] : job.running) {
    const auto* progress = migration->progress.get();
    ids.push_back(migration->migration_id);
    users.push_back(migration->user_id);
    groups.push_back(migration->registration_group_id);
    trace_ids.push_back(migration->trace_id);
    ages.push_back(microseconds(now - migration->received) / 1000);
    totals.push_back(progress != nullptr ? progress->total.load() : -1);
    processed.push_back(progress != nullptr ? progress->processed.load() : 0);
    answered_202.push_back(is_answered_202 ? 1 : 0);
  }
  Parameters parameters{job.replica,
                        uuid_array_text(ids),
                        uuid_array_text(users),
                        text_array_text(groups),
                        number_array_text(ages),
                        text_array_text(trace_ids),
                        number_array_text(totals),
                        number_array_text(processed),
                        number_array_text(answered_202)};
  co_await run_in_one_trip(session, statements::publish_running, std::move(parameters));
  co_return domain::Done{};
}

/// Parameters that settle a migration refused after its 202, by a failed audit row.
Parameters refusal_parameters(const domain::EndRunning& job) {
  const auto& migration = *job.migration;
  std::optional<Clock::time_point> started; // not every migration reaches a worker
  if (migration.progress && migration.progress->has_run())
    started = migration.received + std::chrono::microseconds{migration.progress->queue_us};
  return settlement_of(job.migration, "none", job.error_code, job.error_message, started);
}

Task<Result<domain::Done>> end_running(Session& session, const domain::EndRunning& job) {
  Transaction transaction{session};
  co_await transaction.run(statements::promise_nothing);
  if (!job.error_code.empty()) {
    auto parameters = refusal_parameters(job);
    co_await transaction.run(statements::settle, std::move(parameters));
  }
  Parameters ended{job.migration->migration_id.text()};
  co_await transaction.run_and_commit(statements::forget_running, std::move(ended));
  co_return domain::Done{};
}

domain::MigrationReport report_from(const Row& row, const domain::FindMigration& query) {
  domain::MigrationReport report;
  report.status = domain::MigrationReport::Status::in_progress;
  report.registration_group_id = row.text("o_registration_group_id");
  if (const auto total = row.number("o_total"); total >= 0)
    report.devices_total = total;
  report.devices_processed = row.number("o_processed");
  report.result.migration_id = query.migration_id;
  return report;
}

} // namespace

Task<std::optional<Result<domain::MigrationReport>>>
find_running(Session& session, const domain::FindMigration& query) {
  Parameters parameters{query.migration_id.text(), std::to_string(kSilentReplica.count())};
  const Reply found =
      co_await run_in_one_trip(session, statements::find_running, std::move(parameters));
  const Row row = found.row(0);
  if (row.text("outcome") != "running")
    co_return std::nullopt;
  if (query.initiator) {
    Transaction transaction{session};
    const auto refusal = co_await refuse_inactive(transaction, *query.initiator);
    if (refusal)
      co_return *refusal;
    if (optional_uuid(row, "o_user_id") != query.initiator)
      co_return Refusal{.reason = Refused::not_found};
  }
  co_return report_from(row, query);
}

void add_progress(JobTable& table) {
  table.add(note_running);
  table.add(publish_running);
  table.add(end_running);
}

} // namespace regroup::db
