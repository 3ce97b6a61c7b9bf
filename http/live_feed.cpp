#include "http/live_feed.hpp"

#include "http/outcome_table.hpp"

#include <algorithm>
#include <utility>

namespace regroup::http {
namespace {

using namespace std::chrono_literals;
using domain::AdminJob;

constexpr auto kTick = 200ms;
constexpr auto kHeartbeat = 5s; // so that a reader who went is noticed, and proxies see life
/// Until then a key that was revoked meanwhile may go on reading.
constexpr auto kLongestStream = 1h;
constexpr std::size_t kMostStreams = 1000;
/// Most migrations are over before anybody could look.
constexpr auto kWorthTelling = 250ms;
/// When the database is slow everything takes long, and this must not make it slower.
constexpr std::size_t kMostTold = 100;
constexpr auto kPatience = 5s;

std::string event(std::string_view name, std::string_view data) {
  return "event: " + std::string{name} + "\ndata: " + std::string{data} + "\n\n";
}

} // namespace

struct LiveFeed::News {
  std::mutex mutex;
  std::condition_variable wake;
  bool fresh = false; // there is something that the thread has not looked at
  bool stopping = false;
  std::string latest; // an event, ready to be sent
  bool asked = false; // and no answer yet
  bool publishing = false;
  bool failed = false; // the last publication
};

LiveFeed::LiveFeed(Settings settings, Gateway& gateway, const Lifecycle& lifecycle,
                   const RunningMigrations& running)
    : settings_(std::move(settings)), gateway_(gateway), lifecycle_(lifecycle), running_(running),
      news_(std::make_shared<News>()), thread_([this] { run(); }) {}

void LiveFeed::join(std::shared_ptr<EventStream> stream) {
  // The first bytes go out at once: the reader knows that it is connected.
  stream->send(": welcome\n\n");
  const auto now = Clock::now();
  const std::scoped_lock lock{mutex_};
  if (ended_)
    return stream->end();
  watchers_.push_back({std::move(stream), {}, now + kLongestStream, now});
}

bool LiveFeed::full() const {
  const std::scoped_lock lock{mutex_};
  return watchers_.size() >= kMostStreams;
}

void LiveFeed::stop() {
  {
    const std::scoped_lock lock{news_->mutex};
    news_->stopping = true;
  }
  news_->wake.notify_all();
  if (thread_.joinable())
    thread_.join();
}

void LiveFeed::run() {
  for (auto next_tick = Clock::now();;) {
    if (const auto now = Clock::now(); now >= next_tick) {
      next_tick = now + kTick;
      publish();
      if (is_watched())
        ask();
    }
    tell_all();
    std::unique_lock lock{news_->mutex};
    news_->wake.wait_until(lock, next_tick, [&] { return news_->fresh || news_->stopping; });
    news_->fresh = false;
    if (news_->stopping)
      break;
  }
  const std::scoped_lock lock{mutex_};
  ended_ = true;
  for (auto& watcher : watchers_)
    watcher.stream->end();
  watchers_.clear();
}

bool LiveFeed::is_watched() const {
  const std::scoped_lock lock{mutex_};
  if (watchers_.empty()) {
    const std::scoped_lock news{news_->mutex};
    news_->latest.clear(); // whoever comes next must not be shown what was
  }
  return !watchers_.empty();
}

void LiveFeed::tell_all() {
  std::string latest;
  {
    const std::scoped_lock news{news_->mutex};
    latest = news_->latest;
  }
  const auto now = Clock::now();
  const bool draining = lifecycle_.phase() == Lifecycle::Phase::draining;
  const std::scoped_lock lock{mutex_};
  for (auto& watcher : watchers_)
    if (draining || now >= watcher.until)
      watcher.stream->end();
    else
      tell(watcher, latest, now);
  std::erase_if(watchers_, [&](const Watcher& watcher) {
    return draining || now >= watcher.until || !watcher.stream->is_open();
  });
}

void LiveFeed::tell(Watcher& watcher, const std::string& news, Clock::time_point now) const {
  const bool is_new = !news.empty() && news != watcher.shown;
  if (!is_new && now - watcher.spoken_to < kHeartbeat)
    return;
  if (watcher.stream->send(is_new ? news : ": still here\n\n")) {
    watcher.spoken_to = now;
    if (is_new)
      watcher.shown = news;
  }
}

void LiveFeed::publish() {
  domain::PublishLive what{settings_.replica, {}};
  const auto now = Clock::now();
  for (const auto& migration : running_.all()) {
    const auto age = now - migration->received;
    if (age >= kWorthTelling)
      what.running.push_back(
          {migration->migration_id, migration->user_id, migration->registration_group_id,
           std::chrono::duration_cast<std::chrono::milliseconds>(age), migration->trace_id});
  }
  if (what.running.size() > kMostTold) {
    std::nth_element(what.running.begin(), what.running.begin() + kMostTold, what.running.end(),
                     [](const auto& a, const auto& b) { return a.age > b.age; });
    what.running.resize(kMostTold);
  }
  {
    const std::scoped_lock lock{news_->mutex};
    published_ = published_ || news_->failed;
    if ((what.running.empty() && !published_) || std::exchange(news_->publishing, true))
      return;
  }
  published_ = !what.running.empty();
  gateway_.ask(AdminJob{std::nullopt, std::move(what), now + kPatience},
               [news = news_](const domain::Answer& answer) {
                 const std::scoped_lock lock{news->mutex};
                 news->publishing = false;
                 news->failed = !std::holds_alternative<domain::AdminDocument>(answer);
               });
}

void LiveFeed::ask() {
  {
    const std::scoped_lock lock{news_->mutex};
    if (std::exchange(news_->asked, true))
      return;
  }
  gateway_.ask(AdminJob{std::nullopt, domain::ReadLive{}, Clock::now() + kPatience},
               [news = news_](const domain::Answer& answer) {
                 const auto* document = std::get_if<domain::AdminDocument>(&answer);
                 const auto* refusal = std::get_if<domain::Refusal>(&answer);
                 const std::scoped_lock lock{news->mutex};
                 news->asked = false;
                 news->fresh = true;
                 news->wake.notify_all();
                 news->latest = document
                                    ? event("live", R"({"migrations":)" + document->json + "}")
                                    : event("unavailable",
                                            to_reply(refusal ? *refusal : domain::Refusal{}).body);
               });
}

} // namespace regroup::http
