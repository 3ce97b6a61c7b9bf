#pragma once
#include "domain/command.hpp"
#include "domain/outcome.hpp"
#include "http/event_stream.hpp"
#include "http/gateway.hpp"
#include "http/lifecycle.hpp"
#include "http/message.hpp"
#include "http/running_migrations.hpp"

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace regroup::http {

/// Publishes what this replica runs, where that takes long, to the other replicas: in the database,
/// in one table. And sends what is known of all of them to those who read it as a stream of events:
/// the status of one migration, or everything that runs. Does nothing at all for migrations that
/// are answered at once, and asks the database nothing while nobody reads.
///
/// Thread-safe; one thread of its own.
class ProgressPublisher {
public:
  /// `replica` is its name. All that is referred to outlives the publisher, the gateway until
  /// stop().
  ProgressPublisher(std::string replica, Gateway& gateway, RunningMigrations& running,
                    const Lifecycle& lifecycle);
  ~ProgressPublisher() { stop(); }
  ProgressPublisher(const ProgressPublisher&) = delete;
  ProgressPublisher& operator=(const ProgressPublisher&) = delete;

  /// A migration is to be answered 202: `answer` is called once the other replicas can answer for
  /// it, or after a second.
  void note(const domain::MigrationPtr& migration, std::function<void()> answer);

  /// It has ended. Where it was answered 202 it is among the running ones until the database has
  /// its end.
  void end(const domain::MigrationPtr& migration, const domain::Answer& outcome);

  /// What this replica knows of a migration that it runs itself; nothing where it does not.
  std::optional<domain::MigrationReport> find(const domain::FindMigration& query) const;

  /// Answers with a stream of events, the first of which is `report`: 503 when there are too many.
  void follow(const domain::FindMigration& query, const domain::MigrationReport& report,
              const Respond& respond);

  /// Answers with a stream of what runs in all replicas, now and whenever it changes: 503 when
  /// there are too many.
  void watch(const Respond& respond);

  /// Ends every stream and the thread. The gateway is not used any more.
  void stop();

private:
  using Clock = std::chrono::steady_clock;
  /// Somebody who reads a stream.
  struct Reader {
    std::shared_ptr<EventStream> stream;
    Clock::time_point until;
    Clock::time_point spoken_to;
    std::string shown; // the last event that was sent
  };
  /// Of one migration's status.
  struct Follower : Reader {
    domain::FindMigration query;
    std::string latest;    // an event, ready to be sent
    bool is_final = false; // no other comes after it
    bool is_asked = false; // the database, and has not answered yet
  };
  using FollowerPtr = std::shared_ptr<Follower>;

  void run();
  void publish(Clock::time_point now);
  void ask_what_runs();
  void look_up(const FollowerPtr& follower);

  // Under the lock.
  std::vector<FollowerPtr> to_look_up(Clock::time_point now);
  void came(const FollowerPtr& follower, const domain::MigrationReport& report);
  void send_all(Clock::time_point now);

  const std::string replica_;
  Gateway& gateway_;
  RunningMigrations& running_;
  const Lifecycle& lifecycle_;

  std::mutex mutex_; // of all that follows
  std::condition_variable wake_;
  bool stopping_ = false;
  bool is_fresh_ = false;      // there is something to send
  bool is_published_ = false;  // this replica has rows in the database, or may have
  bool is_publishing_ = false; // and has no answer yet
  bool is_asked_ = false;      // what runs; no answer yet
  std::string what_runs_;      // an event, ready to be sent; empty: not known
  std::vector<Reader> watchers_;
  std::vector<FollowerPtr> followers_;
  Clock::time_point next_look_up_;
  std::thread thread_; // the last: it uses all of these
};

} // namespace regroup::http
