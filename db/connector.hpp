#pragma once
#include "db/task.hpp"

#include <asio/any_io_executor.hpp>
#include <asio/thread_pool.hpp>

#include <atomic>
#include <functional>

namespace regroup::db {

/// A thread for what libpq waits for in opening a connection: a name server, a handshake. One
/// connection at a time. Used from any thread.
class Connector {
public:
  /// `loop`: where the sessions' jobs run; it outlives the connector.
  explicit Connector(asio::any_io_executor loop);
  /// Waits for what is being opened (database.connect_timeout a host).
  ~Connector();
  Connector(const Connector&) = delete;
  Connector& operator=(const Connector&) = delete;

  asio::any_io_executor loop() const { return loop_; }

  /// Runs `open` on the thread; what it throws is thrown.
  Task<void> run(std::function<void()> open);

  bool is_busy() const { return busy_ > 0; }

private:
  asio::any_io_executor loop_;
  std::atomic<int> busy_{0};
  asio::thread_pool thread_{1};
};

} // namespace regroup::db
