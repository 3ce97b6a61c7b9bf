#include "db/pg_store.hpp"

#include "db/administration.hpp"
#include "db/codec.hpp"
#include "db/devices.hpp"
#include "db/events.hpp"
#include "db/group_devices.hpp"
#include "db/listings.hpp"
#include "db/migration.hpp"
#include "db/plan.hpp"
#include "db/progress.hpp"
#include "db/recall.hpp"
#include "db/retry.hpp"
#include "db/schema/schema_steps.hpp"
#include "db/settlement.hpp"
#include "db/transaction.hpp"
#include "db/undo.hpp"

#include <asio/co_spawn.hpp>

#include <algorithm>
#include <exception>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

namespace regroup::db {
namespace {

using domain::Answer;
using domain::Refusal;
using domain::Refused;
using domain::Worked;
using Clock = std::chrono::steady_clock;

Task<Answer> check_api_key(Session& session, const domain::CheckApiKey& query) {
  Parameters parameters{query.key_hash};
  const Reply found =
      co_await run_in_one_trip(session, statements::find_api_key, std::move(parameters));
  if (found.empty())
    co_return Refusal{.reason = Refused::unauthorized};
  co_return domain::ApiKeyFacts{found.number(0, "id"), found.row(0).flag("is_admin")};
}

Task<Answer> check_health(Session& session) {
  Parameters none;
  const Reply newest = co_await run_in_one_trip(session, statements::check_health, std::move(none));
  const bool complete =
      !newest.is_null(0, "step") &&
      newest.number(0, "step") >= std::stoi(std::string{schema_steps().back().name});
  if (!complete)
    co_return Refusal{.reason = Refused::database_unavailable};
  co_return domain::Healthy{};
}

/// Whether the job may be sent again after an unknown end, with the same result. Not an event job:
/// a replica's sender asks again by itself. Not an operation: it settles its doubt
/// (settlement.hpp).
bool can_be_repeated(const domain::Job& job) {
  return !std::holds_alternative<domain::EventJob>(job) && !domain::operation_of(job);
}

} // namespace

/// What a store's jobs use. Each running job shares its ownership.
class PgStore::Jobs {
public:
  Jobs(const config::Settings::Database& settings, std::shared_ptr<Servers> servers,
       Connector& connector, const SchemaFacts& facts, domain::Log& log, domain::Metrics& metrics)
      : session_(settings, std::move(servers), connector, log, metrics), facts_(facts), log_(log),
        metrics_(metrics) {}

  static Task<bool> connect(std::shared_ptr<Jobs> jobs);

  /// Throws nothing: an exception from the job is a defect, and is answered as one.
  static Task<Worked> work(std::shared_ptr<Jobs> jobs, std::shared_ptr<const domain::Job> job,
                           bool doubted);

  void end_silence() noexcept { session_.end_silence(); }

private:
  using Ran = std::variant<Answer, domain::Left>;

  Task<bool> still_answers();
  void allow(const domain::Job& job);
  Task<Ran> attempts_at(const domain::Job& job, bool doubted);
  Task<Answer> attempt(const domain::Job& job, bool again);
  Answer failed(const NotKept& why, bool doubted);

  Session session_;
  SchemaFacts facts_;
  domain::Log& log_;
  domain::Metrics& metrics_;
  MigrationTools migration_tools_{session_, facts_, log_, metrics_};
  OperationTools operation_tools_{session_, log_, metrics_};
};

namespace {

/// The answer to a job after a defect. If it was an operation, its outcome is not known.
Answer defect(const domain::Job& job) {
  if (const auto operation = domain::operation_of(job))
    return domain::no_outcome(domain::Settle{*operation, {}});
  const bool may_have_written = std::holds_alternative<domain::RegisterDevice>(job) ||
                                std::holds_alternative<domain::AdminJob>(job);
  return Refusal{.reason = may_have_written ? Refused::timeout : Refused::internal};
}

} // namespace

PgStore::PgStore(const config::Settings::Database& settings, std::shared_ptr<Servers> servers,
                 Connector& connector, const SchemaFacts& facts, domain::Log& log,
                 domain::Metrics& metrics)
    : jobs_(std::make_shared<Jobs>(settings, std::move(servers), connector, facts, log, metrics)),
      loop_(connector.loop()) {}

PgStore::~PgStore() = default;

void PgStore::connect(std::function<void(bool)> done) noexcept {
  try {
    asio::co_spawn(
        loop_, Jobs::connect(jobs_),
        [done](const std::exception_ptr& why, bool connected) { done(!why && connected); });
  } catch (const std::exception&) { // out of memory
    done(false);
  }
}

void PgStore::run(domain::Job job, bool doubted,
                  std::function<void(domain::Worked)> done) noexcept {
  try {
    const auto shared = std::make_shared<const domain::Job>(std::move(job));
    asio::co_spawn(loop_, Jobs::work(jobs_, shared, doubted),
                   [shared, done](const std::exception_ptr& why, Worked how) {
                     done(why ? Worked{defect(*shared)} : std::move(how));
                   });
  } catch (const std::exception&) { // out of memory: the job was not begun
    done({Refusal{.reason = doubted ? Refused::timeout : Refused::internal}});
  }
}

void PgStore::end_silence() noexcept { jobs_->end_silence(); }

Task<bool> PgStore::Jobs::connect(std::shared_ptr<Jobs> jobs) {
  try {
    if (jobs->session_.is_ready()) {
      const bool answers = co_await jobs->still_answers();
      if (answers)
        co_return true;
    }
    co_await jobs->session_.connect();
    co_return true;
  } catch (const std::exception&) { // already logged
    jobs->session_.drop();
    co_return false;
  }
}

Task<bool> PgStore::Jobs::still_answers() {
  session_.patience().allow(Clock::now());
  Parameters none;
  const auto outcome =
      co_await outcome_of(run_in_one_trip(session_, statements::prove, std::move(none)));
  co_return std::holds_alternative<Reply>(outcome);
}

/// A health probe must learn of a silent server sooner than any other job.
void PgStore::Jobs::allow(const domain::Job& job) {
  const bool is_probe = std::holds_alternative<domain::CheckHealth>(job);
  session_.patience().allow(is_probe ? Clock::now() : domain::deadline_of(job));
}

Task<Worked> PgStore::Jobs::work(std::shared_ptr<Jobs> jobs, std::shared_ptr<const domain::Job> job,
                                 bool doubted) {
  auto& session = jobs->session_;
  const auto left_with = [&](Ran ran) {
    return Worked{std::move(ran), session.is_connected(), session.was_silent()};
  };
  jobs->allow(*job);
  if (!session.is_ready()) {
    session.drop();
    co_return left_with(domain::Left{*job, doubted, false});
  }
  try {
    auto ran = co_await jobs->attempts_at(*job, doubted);
    co_return left_with(std::move(ran));
  } catch (ConnectionLost& lost) {
    co_return left_with(std::move(lost.left));
  } catch (const std::exception& why) {
    jobs->log_.event(domain::LogLevel::error, "database.defect",
                     {{"error", std::string_view{why.what()}}});
    session.drop(); // whatever happened, do not go on with a connection in an unknown state
    co_return left_with(defect(*job));
  }
}

Task<PgStore::Jobs::Ran> PgStore::Jobs::attempts_at(const domain::Job& job, bool doubted) {
  const auto deadline = domain::deadline_of(job);
  for (int attempts = 1;; ++attempts) {
    auto outcome = co_await outcome_of(attempt(job, doubted));
    const auto* why = std::get_if<NotKept>(&outcome);
    if (why == nullptr)
      co_return std::get<Answer>(std::move(outcome));
    doubted = doubted || why->ended() == Ended::unknown;
    if (cannot_write(*why))
      session_.drop();
    if (!session_.is_ready() && (can_be_repeated(job) || why->ended() == Ended::unsent))
      co_return domain::Left{job, doubted};
    const bool has_time = Clock::now() < deadline;
    const bool again =
        can_be_repeated(job) &&
        (is_worth_another_attempt(*why, attempts, deadline) || (doubted && has_time));
    if (!again)
      co_return failed(*why, doubted);
    co_await pause_before_retry(std::min(attempts, kMostAttempts), deadline);
  }
}

Answer PgStore::Jobs::failed(const NotKept& why, bool doubted) {
  if (why.ended() == Ended::refused)
    log_.event(
        domain::LogLevel::error, "database.statement_failed",
        {{"sqlstate", std::string_view{why.sqlstate()}}, {"error", std::string_view{why.what()}}});
  return Refusal{.reason = doubted ? Refused::timeout : refusal_for(why)};
}

Task<Answer> PgStore::Jobs::attempt(const domain::Job& job, bool again) {
  return std::visit(
      [this, again]<class T>(const T& each) -> Task<Answer> {
        if constexpr (std::is_same_v<T, domain::MigrationPtr>)
          return migrate(migration_tools_, each);
        else if constexpr (std::is_same_v<T, domain::Settle>)
          return settle(operation_tools_, each);
        else if constexpr (std::is_same_v<T, domain::PlanMigration>)
          return plan(session_, facts_, *each.migration);
        else if constexpr (std::is_same_v<T, domain::UndoPtr>)
          return undo(operation_tools_, each);
        else if constexpr (std::is_same_v<T, domain::FindOrigin>)
          return find_origin(session_, each);
        else if constexpr (std::is_same_v<T, domain::RecallMigration>)
          return recall_migration(session_, each);
        else if constexpr (std::is_same_v<T, domain::RegisterDevice>)
          return register_device(session_, each);
        else if constexpr (std::is_same_v<T, domain::FindRegistrationGroup>)
          return find_registration_group(session_, each);
        else if constexpr (std::is_same_v<T, domain::ListGroupDevices>)
          return list_group_devices(session_, each);
        else if constexpr (std::is_same_v<T, domain::ChangePtr>)
          return change_group_devices(operation_tools_, each);
        else if constexpr (std::is_same_v<T, domain::ListGroupMembers>)
          return list_group_members(session_, each);
        else if constexpr (std::is_same_v<T, domain::ListGroups>)
          return list_groups(session_, each);
        else if constexpr (std::is_same_v<T, domain::ListGroupsOfDevice>)
          return list_groups_of_device(session_, each);
        else if constexpr (std::is_same_v<T, domain::ListDevices>)
          return list_devices(session_, each);
        else if constexpr (std::is_same_v<T, domain::FindMigration>)
          return find_migration(session_, each);
        else if constexpr (std::is_same_v<T, domain::FindOperation>)
          return find_operation(session_, each);
        else if constexpr (std::is_same_v<T, domain::NoteRunning>)
          return note_running(session_, each);
        else if constexpr (std::is_same_v<T, domain::PublishRunning>)
          return publish_running(session_, each);
        else if constexpr (std::is_same_v<T, domain::EndRunning>)
          return end_running(session_, each);
        else if constexpr (std::is_same_v<T, domain::CheckApiKey>)
          return check_api_key(session_, each);
        else if constexpr (std::is_same_v<T, domain::AdminJob>)
          return administer(session_, each, again);
        else if constexpr (std::is_same_v<T, domain::EventJob>)
          return work_on_events(session_, each);
        else
          return check_health(session_);
      },
      job);
}

} // namespace regroup::db
