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
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace regroup::http {

/// Tells of migrations that take long: the other replicas, through the database (a note when a
/// migration is answered 202, how far it has come once a second, and its end), and callers who
/// follow one as a stream of events. Does nothing at all for migrations that are answered at once.
///
/// Thread-safe; has a thread of its own, which sleeps while there is nothing to tell.
class StatusTeller {
public:
  /// All of it outlives the teller, the gateway until stop().
  StatusTeller(Gateway& gateway, RunningMigrations& running, const Lifecycle& lifecycle);
  ~StatusTeller();
  StatusTeller(const StatusTeller&) = delete;
  StatusTeller& operator=(const StatusTeller&) = delete;

  /// A migration is to be answered 202: `answer` is called once the other replicas can be told of
  /// it, or after a second.
  void note(const domain::MigrationPtr& migration, std::function<void()> answer);

  /// It has ended. Where it was noted, it is among the running ones until the database knows it.
  void end(const domain::MigrationPtr& migration, const domain::Answer& outcome);

  /// What this replica knows of a migration that it runs itself; nothing where it does not.
  std::optional<domain::MigrationReport> find(const domain::FindMigration& query) const;

  /// Answers with a stream of events, the first of which is `report`: 503 when there are too many.
  void stream(const domain::FindMigration& query, const domain::MigrationReport& report,
              const Respond& respond);

  /// Ends every stream and the thread. The gateway is not used any more.
  void stop();

private:
  struct Follower;

  void run();
  void tell_database();
  void tell_followers();
  void tell(const std::shared_ptr<Follower>& follower);

  Gateway& gateway_;
  RunningMigrations& running_;
  const Lifecycle& lifecycle_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::vector<std::shared_ptr<Follower>> followers_;
  std::thread thread_;
};

} // namespace regroup::http
