#include "http/migrations/progress_publisher.hpp"

#include "http/json.hpp"
#include "http/outcome_table.hpp"

#include <algorithm>
#include <utility>

namespace regroup::http {
namespace {

using domain::MigrationPtr;
using domain::MigrationReport;
using domain::Refusal;
using domain::Refused;
using namespace std::chrono_literals;

/// How often the publisher publishes and reads what runs; and how often it looks up a migration
/// that a client follows.
constexpr auto kTick = 200ms;
constexpr auto kBetweenLookUps = 1s;

/// Most migrations end sooner and are never published.
constexpr auto kWorthPublishing = 250ms;
/// When the database is slow every migration takes long, and publishing must not make it slower
/// still. The publisher publishes all that were answered 202, and fills up with the oldest others.
constexpr std::size_t kMostPublished = 100;

/// How long the publisher's jobs may take: the note that a 202 waits for and the look-up of one
/// migration; publishing and reading what runs; a migration's end, which must be written.
constexpr auto kPatience = 1s;
constexpr auto kPatienceForAll = 5s;
constexpr auto kPatienceForTheEnd = 10s;

/// A comment after this silence lets the server notice a client that has gone, and keeps proxies
/// from closing the stream.
constexpr auto kLongestSilence = 5s;
/// A client that wants more opens a new stream. Until then a revoked key can go on reading.
constexpr auto kLongestFollowing = 5min;
constexpr auto kLongestWatching = 1h;
constexpr std::size_t kMostFollowers = 200;
constexpr std::size_t kMostWatchers = 1000;

constexpr const char* kStillHere = ":\n\n"; // a comment in Server-Sent Events

std::string event(std::string_view name, const std::string& data) {
  return "event: " + std::string{name} + "\ndata: " + data + "\n\n";
}

Reply event_stream() {
  Reply reply;
  reply.content_type = "text/event-stream";
  return reply;
}

/// Returns whether the reader is up to date. A slow reader gets the newest event later.
template <class Reader>
bool send(Reader& reader, const std::string& event, std::chrono::steady_clock::time_point now) {
  const bool is_new = !event.empty() && event != reader.shown;
  if (!is_new && now - reader.spoken_to < kLongestSilence)
    return true;
  if (!reader.stream->send(is_new ? event : kStillHere))
    return !is_new;
  reader.spoken_to = now;
  if (is_new)
    reader.shown = event;
  return true;
}

} // namespace

ProgressPublisher::ProgressPublisher(std::string replica, Gateway& gateway,
                                     RunningMigrations& running, const Lifecycle& lifecycle)
    : replica_(std::move(replica)), gateway_(gateway), running_(running), lifecycle_(lifecycle),
      thread_([this] { run(); }) {}

void ProgressPublisher::note(const MigrationPtr& migration, std::function<void()> answer) {
  running_.answered_202(migration->migration_id);
  gateway_.ask(
      domain::NoteRunning{migration, Clock::now() + kPatience},
      [migration, answer = std::move(answer)](const domain::Result<domain::RunningNoted>& result) {
        if (const auto* noted = result.value())
          migration->progress->set_total(noted->devices_total);
        answer();
      });
}

void ProgressPublisher::end(const MigrationPtr& migration,
                            const Gateway::MigrationResult& outcome) {
  const auto id = migration->migration_id;
  if (running_.remove_if_quick(id))
    return;
  // If the outcome is unknown the note stays: the first query for it settles the migration
  // (functions/running.sql).
  if (outcome.is_refused(Refused::timeout))
    return running_.remove(id);
  domain::EndRunning job{migration, {}, {}, Clock::now() + kPatienceForTheEnd};
  const auto* done = outcome.value();
  if (done == nullptr) {
    job.error_code = row_of(outcome.refusal().reason).code;
    job.error_message = row_of(outcome.refusal().reason).message;
  } else if (done->replayed) { // the success has the first request's id
    job.error_code = row_of(Refused::already_migrated).code;
    job.error_message = "A request with the same Idempotency-Key has migrated it";
  }
  gateway_.ask(std::move(job), [this, id](const domain::Answer&) { running_.remove(id); });
}

std::optional<MigrationReport> ProgressPublisher::find(const domain::FindMigration& query) const {
  const auto migration = running_.find(query.migration_id);
  if (!migration || (query.initiator && *query.initiator != migration->user_id))
    return std::nullopt;
  return report_of(*migration);
}

void ProgressPublisher::follow(const domain::FindMigration& query, const MigrationReport& report,
                               const Respond& respond) {
  const std::scoped_lock lock{mutex_};
  if (stopping_ || followers_.size() >= kMostFollowers)
    return respond(to_reply(Refusal{Refused::overloaded}));
  auto follower = std::make_shared<Follower>();
  follower->query = query;
  auto reply = event_stream();
  // This runs under the lock above: `respond` opens the stream before it returns.
  reply.stream = [this, follower, report](std::shared_ptr<EventStream> opened) {
    const auto now = Clock::now();
    follower->stream = std::move(opened);
    follower->until = now + kLongestFollowing;
    came(follower, report);
    if (send(*follower, follower->latest, now) && follower->is_final)
      return follower->stream->end();
    followers_.push_back(follower);
  };
  respond(std::move(reply));
}

void ProgressPublisher::watch(const Respond& respond) {
  const std::scoped_lock lock{mutex_};
  if (stopping_ || watchers_.size() >= kMostWatchers)
    return respond(to_reply(Refusal{Refused::overloaded}));
  auto reply = event_stream();
  reply.close = true;
  reply.headers.emplace_back("X-Accel-Buffering", "no");       // a proxy must not buffer events
  reply.stream = [this](std::shared_ptr<EventStream> opened) { // under the lock, as above
    // Send something at once, so that the reader knows that it is connected.
    opened->send(": welcome\n\n");
    const auto now = Clock::now();
    watchers_.push_back({std::move(opened), now + kLongestWatching, now, {}});
  };
  respond(std::move(reply));
}

void ProgressPublisher::stop() {
  {
    const std::scoped_lock lock{mutex_};
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable())
    thread_.join();
}

void ProgressPublisher::run() {
  std::unique_lock lock{mutex_};
  for (auto next_tick = Clock::now(); !stopping_;) {
    if (const auto now = Clock::now(); now >= next_tick) {
      next_tick = now + kTick;
      const bool is_watched = !watchers_.empty();
      if (!is_watched)
        what_runs_.clear(); // the next watcher must not see an old state
      const auto followers = to_look_up(now);
      lock.unlock();
      publish(now);
      if (is_watched)
        ask_what_runs();
      for (const auto& follower : followers)
        look_up(follower);
      lock.lock();
    }
    send_all(Clock::now());
    wake_.wait_until(lock, next_tick, [this] { return is_fresh_ || stopping_; });
    is_fresh_ = false;
  }
  for (const auto& watcher : watchers_)
    watcher.stream->end();
  for (const auto& follower : followers_)
    follower->stream->end();
  watchers_.clear();
  followers_.clear();
}

void ProgressPublisher::publish(Clock::time_point now) {
  domain::PublishRunning what{replica_, running_.received_before(now - kWorthPublishing),
                              now + kPatienceForAll};
  auto& running = what.running;
  if (running.size() > kMostPublished) {
    const auto others = std::partition(running.begin(), running.end(),
                                       [](const auto& a) { return a.answered_202; });
    const auto end = std::max(others, running.begin() + kMostPublished);
    if (end != running.end())
      std::nth_element(others, end, running.end(), [](const auto& a, const auto& b) {
        return a.migration->received < b.migration->received;
      });
    running.erase(end, running.end());
  }
  {
    const std::scoped_lock lock{mutex_};
    if (is_publishing_ || (running.empty() && !is_published_))
      return;
    is_publishing_ = true;
    is_published_ = true;
  }
  const bool is_empty = running.empty();
  gateway_.ask(std::move(what), [this, is_empty](const domain::Result<domain::Done>& done) {
    const std::scoped_lock lock{mutex_};
    is_publishing_ = false;
    is_published_ = !is_empty || !done.value();
  });
}

void ProgressPublisher::ask_what_runs() {
  {
    const std::scoped_lock lock{mutex_};
    if (std::exchange(is_asked_, true))
      return;
  }
  domain::AdminJob<domain::ReadLive> query{std::nullopt, {}, Clock::now() + kPatienceForAll};
  gateway_.ask(std::move(query), [this](const domain::Result<domain::AdminDocument>& result) {
    const auto* document = result.value();
    const std::scoped_lock lock{mutex_};
    is_asked_ = false;
    is_fresh_ = true;
    what_runs_ = document ? event("live", R"({"migrations":)" + document->json + "}")
                          : event("unavailable", to_reply(result.refusal()).body);
    wake_.notify_one();
  });
}

std::vector<ProgressPublisher::FollowerPtr> ProgressPublisher::to_look_up(Clock::time_point now) {
  std::vector<FollowerPtr> due;
  if (now < next_look_up_)
    return due;
  next_look_up_ = now + kBetweenLookUps;
  for (const auto& follower : followers_)
    if (!follower->is_final && !std::exchange(follower->is_asked, true))
      due.push_back(follower);
  return due;
}

void ProgressPublisher::look_up(const FollowerPtr& follower) {
  const auto take = [this, follower](const domain::Result<MigrationReport>& result) {
    const std::scoped_lock lock{mutex_};
    follower->is_asked = false; // without a report, the next second asks again
    if (const auto* report = result.value())
      came(follower, *report);
    wake_.notify_one();
  };
  if (const auto here = find(follower->query))
    return take(*here);
  auto query = follower->query;
  query.deadline = Clock::now() + kPatience;
  gateway_.ask(query, take, domain::Lane::status); // not among the pool's real work
}

void ProgressPublisher::came(const FollowerPtr& follower, const MigrationReport& report) {
  follower->latest = "data: " + to_json(report) + "\n\n";
  follower->is_final = report.status != MigrationReport::Status::in_progress;
  is_fresh_ = true;
}

void ProgressPublisher::send_all(Clock::time_point now) {
  const bool leaving = lifecycle_.phase() == Lifecycle::Phase::draining;
  const auto has_ended = [&](Reader& reader) {
    if (!leaving && now < reader.until)
      return !reader.stream->is_open();
    reader.stream->end();
    return true;
  };
  std::erase_if(watchers_, [&](Reader& watcher) {
    if (has_ended(watcher))
      return true;
    send(watcher, what_runs_, now);
    return false;
  });
  std::erase_if(followers_, [&](const FollowerPtr& follower) {
    if (has_ended(*follower))
      return true;
    if (!send(*follower, follower->latest, now) || !follower->is_final)
      return false;
    follower->stream->end();
    return true;
  });
}

} // namespace regroup::http
