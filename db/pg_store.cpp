#include "db/pg_store.hpp"

#include "db/jobs.hpp"
#include "db/retry.hpp"
#include "db/settlement.hpp"
#include "db/transaction.hpp"

#include <asio/co_spawn.hpp>

#include <algorithm>
#include <exception>
#include <string_view>
#include <utility>
#include <variant>

namespace regroup::db {
namespace {

using domain::Answer;
using domain::Refusal;
using domain::Refused;
using domain::Worked;
using Clock = std::chrono::steady_clock;

/// The answer to a job after a defect: if it writes, its outcome is not known.
Answer defect(const domain::Job& job) {
  return job.traits().writes ? domain::no_outcome(job) : Refusal{.reason = Refused::internal};
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
  static Task<Worked> work(std::shared_ptr<Jobs> jobs, domain::Job job, bool doubted);

  void end_silence() noexcept { session_.end_silence(); }

private:
  using Ran = std::variant<Answer, domain::Left>;

  Task<bool> still_answers();
  Task<Ran> attempts_at(const domain::Job& job, bool doubted);
  Answer failed(const NotKept& why, bool doubted);

  Session session_;
  SchemaFacts facts_;
  domain::Log& log_;
  domain::Metrics& metrics_;
  Tools tools_{session_, facts_, log_, metrics_};
};

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
    asio::co_spawn(loop_, Jobs::work(jobs_, job, doubted),
                   [job, done](const std::exception_ptr& why, Worked how) {
                     done(why ? Worked{defect(job)} : std::move(how));
                   });
  } catch (const std::exception&) { // out of memory: the job was not begun
    done({Answer{Refusal{.reason = doubted ? Refused::timeout : Refused::internal}}});
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

Task<Worked> PgStore::Jobs::work(std::shared_ptr<Jobs> jobs, domain::Job job, bool doubted) {
  auto& session = jobs->session_;
  const auto left_with = [&](Ran ran) {
    return Worked{std::move(ran), session.is_connected(), session.was_silent()};
  };
  session.patience().allow(job.traits().probes ? Clock::now() : job.deadline());
  if (!session.is_ready()) {
    session.drop();
    co_return left_with(domain::Left{job, doubted, false});
  }
  try {
    auto ran = co_await jobs->attempts_at(job, doubted);
    co_return left_with(std::move(ran));
  } catch (ConnectionLost& lost) {
    co_return left_with(std::move(lost.left));
  } catch (const std::exception& why) {
    jobs->log_.event(domain::LogLevel::error, "database.defect",
                     {{"error", std::string_view{why.what()}}});
    session.drop(); // whatever happened, do not go on with a connection in an unknown state
    co_return left_with(defect(job));
  }
}

Task<PgStore::Jobs::Ran> PgStore::Jobs::attempts_at(const domain::Job& job, bool doubted) {
  static const JobTable table = all_jobs();
  const auto& run = table.of(job);
  const auto deadline = job.deadline();
  const bool repeats = job.traits().repeats;
  for (int attempts = 1;; ++attempts) {
    auto outcome = co_await outcome_of(run(tools_, job, doubted));
    const auto* why = std::get_if<NotKept>(&outcome);
    if (why == nullptr)
      co_return std::get<Answer>(std::move(outcome));
    doubted = doubted || why->ended() == Ended::unknown;
    if (cannot_write(*why))
      session_.drop();
    if (!session_.is_ready() && (repeats || why->ended() == Ended::unsent))
      co_return domain::Left{job, doubted};
    const bool has_time = Clock::now() < deadline;
    const bool again =
        repeats && (is_worth_another_attempt(*why, attempts, deadline) || (doubted && has_time));
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

} // namespace regroup::db
