#include "db/progress.hpp"

#include "db/callers.hpp"
#include "db/codec.hpp"

#include <string_view>

namespace regroup::db {

using Clock = std::chrono::steady_clock;
using domain::Answer;
using domain::Refusal;
using domain::Refused;

namespace {

/// An array, as a parameter.
class Numbers {
public:
  void add(std::int64_t number) { text_ += (text_.empty() ? "{" : ",") + std::to_string(number); }
  std::string text() const { return text_.empty() ? "{}" : text_ + "}"; }

private:
  std::string text_;
};

} // namespace

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

Answer publish_running(Session& session, const domain::PublishRunning& job) {
  std::vector<domain::Uuid> ids;
  std::vector<domain::Uuid> users;
  std::vector<std::string> groups;
  std::vector<std::string> trace_ids;
  Numbers ages;
  Numbers totals;
  Numbers processed;
  Numbers answered_202;
  const auto now = Clock::now();
  for (const auto& [migration, is_answered_202] : job.running) {
    const auto* progress = migration->progress.get();
    ids.push_back(migration->migration_id);
    users.push_back(migration->user_id);
    groups.push_back(migration->registration_group_id);
    trace_ids.push_back(migration->trace_id);
    ages.add(microseconds(now - migration->received) / 1000);
    totals.add(progress ? progress->total.load() : -1);
    processed.add(progress ? progress->processed.load() : 0);
    answered_202.add(is_answered_202 ? 1 : 0);
  }
  Transaction transaction{session};
  transaction.run(statements::publish_running, job.replica, uuid_array_text(ids),
                  uuid_array_text(users), text_array_text(groups), ages.text(),
                  text_array_text(trace_ids), totals.text(), processed.text(), answered_202.text());
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
  if (const auto total = row["o_total"].as<std::int64_t>(); total >= 0)
    report.devices_total = total;
  report.devices_processed = row["o_processed"].as<std::int64_t>();
  report.result.migration_id = query.migration_id;
  return report;
}

} // namespace regroup::db
