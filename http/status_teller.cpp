#include "http/status_teller.hpp"

#include "http/json.hpp"
#include "http/outcome_table.hpp"

#include <algorithm>
#include <atomic>
#include <utility>

namespace regroup::http {
namespace {

using domain::Answer;
using domain::MigrationPtr;
using domain::MigrationReport;
using domain::Refusal;
using domain::Refused;
using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

/// How often the database and the followers are told.
constexpr auto kBetween = 1s;
/// How long the 202 waits for its note at most, and a job for its turn.
constexpr auto kPatience = 1s;
constexpr auto kEndPatience = 10s;
/// Streams open at once; how long one may be (a client that wants more opens the next one); and how
/// long it may say nothing, so that nobody between takes it for dead.
constexpr std::size_t kMostFollowers = 200;
constexpr auto kLongestStream = 5min;
constexpr auto kLongestSilence = 15s;

std::string event_of(const std::string& json) { return "data: " + json + "\n\n"; }

bool is_final(const MigrationReport& report) {
  return report.status != MigrationReport::Status::in_progress;
}

} // namespace

struct StatusTeller::Follower {
  domain::FindMigration query;
  std::shared_ptr<EventStream> stream;
  Clock::time_point ends = Clock::now() + kLongestStream;
  std::string last; // what was sent; touched by one thread at a time, as `asking` orders it
  Clock::time_point sent = Clock::now();
  std::atomic<bool> asking{false};

  void hear(const MigrationReport& report) {
    auto text = to_json(report);
    const bool is_new = text != last;
    if (is_new || Clock::now() - sent > kLongestSilence) {
      if (!stream->send(is_new ? event_of(text) : ":\n\n")) // a comment
        return;                                             // slow: the next second tries again
      last = std::move(text);
      sent = Clock::now();
    }
    if (is_final(report))
      stream->end();
  }
};

StatusTeller::StatusTeller(Gateway& gateway, RunningMigrations& running, const Lifecycle& lifecycle)
    : gateway_(gateway), running_(running), lifecycle_(lifecycle), thread_([this] { run(); }) {}

StatusTeller::~StatusTeller() { stop(); }

void StatusTeller::note(const MigrationPtr& migration, std::function<void()> answer) {
  running_.answered_202(migration->migration_id);
  gateway_.ask(domain::NoteRunning{migration, Clock::now() + kPatience}, kPatience,
               [this, migration, answer = std::move(answer)](const Answer& said) {
                 if (const auto* noted = std::get_if<domain::RunningNoted>(&said)) {
                   migration->progress->set_total(noted->devices_total);
                   running_.noted(migration->migration_id);
                 }
                 answer();
                 { const std::scoped_lock lock{mutex_}; } // the thread waits, or has not looked yet
                 wake_.notify_one();
               });
}

void StatusTeller::end(const MigrationPtr& migration, const Answer& outcome) {
  const auto id = migration->migration_id;
  if (running_.remove_if_quick(id))
    return;
  const auto* refusal = std::get_if<Refusal>(&outcome);
  // Of an outcome that nobody knows the note has to tell: who looks finds out (functions/running.sql).
  if (refusal && refusal->reason == Refused::timeout)
    return running_.remove(id);
  domain::EndRunning job{migration, {}, {}, Clock::now() + kEndPatience};
  const auto* done = std::get_if<domain::MigrationCompleted>(&outcome);
  if (refusal) {
    job.error_code = row_of(refusal->reason).code;
    job.error_message = row_of(refusal->reason).message;
  } else if (done && done->replayed) { // under the id of that request, not of this one
    job.error_code = row_of(Refused::already_migrated).code;
    job.error_message = "A request with the same Idempotency-Key has migrated it";
  }
  gateway_.ask(std::move(job), kEndPatience, [this, id](const Answer&) { running_.remove(id); });
}

std::optional<MigrationReport> StatusTeller::find(const domain::FindMigration& query) const {
  const auto migration = running_.find(query.migration_id);
  if (!migration || (query.initiator && *query.initiator != migration->user_id))
    return std::nullopt;
  return report_of(*migration);
}

void StatusTeller::stream(const domain::FindMigration& query, const MigrationReport& report,
                          const Respond& respond) {
  const std::unique_lock lock{mutex_};
  if (stopping_ || followers_.size() >= kMostFollowers)
    return respond(to_reply(Refusal{Refused::overloaded}));
  auto follower = std::make_shared<Follower>();
  follower->query = query;
  follower->query.aside = true;
  Reply reply;
  reply.content_type = "text/event-stream";
  reply.headers.emplace_back("Cache-Control", "no-store");
  reply.stream = [this, follower, report](std::shared_ptr<EventStream> opened) {
    follower->stream = std::move(opened);
    follower->hear(report);
    if (is_final(report))
      return;
    followers_.push_back(follower); // under the lock above: `respond` sends before it returns
    wake_.notify_one();
  };
  respond(std::move(reply));
}

void StatusTeller::stop() {
  {
    const std::scoped_lock lock{mutex_};
    if (std::exchange(stopping_, true))
      return;
  }
  wake_.notify_one();
  thread_.join();
  for (const auto& follower : followers_)
    follower->stream
        ->end(); // now: a question that is open may keep it for longer than the server is
  followers_.clear();
}

void StatusTeller::run() {
  std::unique_lock lock{mutex_};
  while (!stopping_) {
    wake_.wait(lock,
               [this] { return stopping_ || !followers_.empty() || running_.any_answered_202(); });
    if (wake_.wait_for(lock, kBetween, [this] { return stopping_; }))
      break;
    tell_followers();
    lock.unlock();
    tell_database();
    lock.lock();
  }
}

void StatusTeller::tell_database() {
  auto [noted, not_noted] = running_.answered_202();
  const auto until = Clock::now() + kPatience;
  if (!noted.empty())
    gateway_.ask(domain::TellProgress{std::move(noted), until}, kPatience, [](const Answer&) {});
  for (const auto& migration : not_noted)
    gateway_.ask(domain::NoteRunning{migration, until}, kPatience,
                 [this, migration](const Answer& said) {
                   if (std::holds_alternative<domain::RunningNoted>(said))
                     running_.noted(migration->migration_id);
                 });
}

void StatusTeller::tell_followers() {
  const bool leaving = lifecycle_.phase() == Lifecycle::Phase::draining;
  std::erase_if(followers_, [&](const auto& follower) {
    if (!follower->stream->is_open())
      return true;
    if (!leaving && Clock::now() < follower->ends)
      return false;
    follower->stream->end();
    return true;
  });
  for (const auto& follower : followers_)
    if (!follower->asking.exchange(true))
      tell(follower);
}

void StatusTeller::tell(const std::shared_ptr<Follower>& follower) {
  if (const auto report = find(follower->query)) {
    follower->hear(*report);
    follower->asking = false;
    return;
  }
  auto query = follower->query;
  query.deadline = Clock::now() + kPatience;
  gateway_.ask(query, kPatience, [follower](const Answer& said) {
    if (const auto* report = std::get_if<MigrationReport>(&said))
      follower->hear(*report);
    follower->asking = false; // no answer this time: the next second asks again
  });
}

} // namespace regroup::http
