#pragma once
#include "http/event_stream.hpp"
#include "http/gateway.hpp"
#include "http/lifecycle.hpp"
#include "http/running_migrations.hpp"

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace regroup::http {

/// Tells the other replicas, by way of the database, of the migrations that run here for longer
/// than most do; and tells everybody who watches what runs in all replicas. The database is asked
/// once for all of them, and only while there is anything to tell or anybody to be told. One
/// thread.
class LiveFeed {
public:
  struct Settings {
    std::string replica; // its name
  };

  /// What is referred to outlives stop().
  LiveFeed(Settings settings, Gateway& gateway, const Lifecycle& lifecycle,
           const RunningMigrations& running);
  ~LiveFeed() { stop(); }
  LiveFeed(const LiveFeed&) = delete;
  LiveFeed& operator=(const LiveFeed&) = delete;

  /// The stream is sent what runs, now and when it changes, until its reader goes, the service
  /// drains, or an hour has passed.
  void join(std::shared_ptr<EventStream> stream);

  /// Whether there are as many as there may be.
  bool full() const;

  /// Ends every stream, and the thread.
  void stop();

private:
  using Clock = std::chrono::steady_clock;
  /// What answers that are under way write to, also when this is gone.
  struct News;
  struct Watcher {
    std::shared_ptr<EventStream> stream;
    std::string shown; // the last that it was sent
    Clock::time_point until;
    Clock::time_point spoken_to;
  };

  void run();
  void publish();
  void ask();
  bool is_watched() const;
  void tell_all();
  void tell(Watcher& watcher, const std::string& news, Clock::time_point now) const;

  Settings settings_;
  Gateway& gateway_;
  const Lifecycle& lifecycle_;
  const RunningMigrations& running_;
  std::shared_ptr<News> news_;
  bool published_ = false; // this replica has rows in the database, or may have
  mutable std::mutex mutex_;
  std::vector<Watcher> watchers_;
  bool ended_ = false;
  std::thread thread_;
};

} // namespace regroup::http
