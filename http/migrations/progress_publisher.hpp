#pragma once
#include "domain/command.hpp"
#include "domain/outcome.hpp"
#include "http/gateway.hpp"
#include "http/migrations/running_migrations.hpp"
#include "http/server/event_stream.hpp"
#include "http/server/lifecycle.hpp"
#include "http/server/message.hpp"

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace regroup::http {

/// Publishes this replica's long-running migrations to the other replicas, through one table in the
/// database. Serves two kinds of event streams: the status of one migration, and everything that
/// runs in all replicas. Does nothing for migrations that are answered at once, and reads nothing
/// from the database while there are no readers.
///
/// Thread-safe; one thread of its own.
class ProgressPublisher {
public:
  /// `replica` is this replica's name. All objects passed by reference outlive the publisher, but
  /// the gateway is needed only until stop().
  ProgressPublisher(std::string replica, Gateway& gateway, RunningMigrations& running,
                    const Lifecycle& lifecycle);
  ~ProgressPublisher() { stop(); }
  ProgressPublisher(const ProgressPublisher&) = delete;
  ProgressPublisher& operator=(const ProgressPublisher&) = delete;

  /// Call before answering a migration with 202. Calls `answer` once the other replicas can answer
  /// for it, or after a second.
  void note(const domain::MigrationPtr& migration, std::function<void()> answer);

  /// Call when a migration has ended. One that was answered 202 stays among the running migrations
  /// until its end is in the database.
  void end(const domain::MigrationPtr& migration, const Gateway::MigrationResult& outcome);

  /// The status of a migration that this replica runs itself; else nothing.
  std::optional<domain::MigrationReport> find(const domain::FindMigration& query) const;

  /// Answers with a stream of one migration's status, starting with `report`; 503 if there are too
  /// many such streams.
  void follow(const domain::FindMigration& query, const domain::MigrationReport& report,
              const Respond& respond);

  /// Answers with a stream of what runs in all replicas, now and whenever it changes; 503 if there
  /// are too many such streams.
  void watch(const Respond& respond);

  /// Ends every stream and the thread. Does not use the gateway afterwards.
  void stop();

private:
  using Clock = std::chrono::steady_clock;
  /// A client that reads a stream.
  struct Reader {
    std::shared_ptr<EventStream> stream;
    Clock::time_point until;
    Clock::time_point spoken_to;
    std::string shown; // the last event sent
  };
  /// Reads one migration's status.
  struct Follower : Reader {
    domain::FindMigration query;
    std::string latest;    // an event, ready to be sent
    bool is_final = false; // `latest` is the last event
    bool is_asked = false; // a query is under way
  };
  using FollowerPtr = std::shared_ptr<Follower>;

  void run();
  void publish(Clock::time_point now);
  void ask_what_runs();
  void look_up(const FollowerPtr& follower);

  // Call these under the lock.
  std::vector<FollowerPtr> to_look_up(Clock::time_point now);
  void came(const FollowerPtr& follower, const domain::MigrationReport& report);
  void send_all(Clock::time_point now);

  const std::string replica_;
  Gateway& gateway_;
  RunningMigrations& running_;
  const Lifecycle& lifecycle_;

  std::mutex mutex_; // guards all members below
  std::condition_variable wake_;
  bool stopping_ = false;
  bool is_fresh_ = false;      // there is something to send
  bool is_published_ = false;  // this replica has, or may have, rows in the database
  bool is_publishing_ = false; // a publishing job is under way
  bool is_asked_ = false;      // a query for what runs is under way
  std::string what_runs_;      // an event, ready to be sent; empty if not known
  std::vector<Reader> watchers_;
  std::vector<FollowerPtr> followers_;
  Clock::time_point next_look_up_;
  std::thread thread_; // last, since it uses all members above
};

} // namespace regroup::http
