#pragma once
#include "db/task.hpp"

#include <asio/any_io_executor.hpp>
#include <asio/thread_pool.hpp>

#include <atomic>
#include <functional>

namespace regroup::db {

/// A thread for the waits of libpq while it opens a connection (name lookup, handshake). Opens one
/// connection at a time. Used from any thread.
class Connector {
public:
  /// `loop`: where the sessions' jobs run; it must outlive the connector.
  explicit Connector(asio::any_io_executor loop);
  /// Waits for the connections being opened (up to database.connect_timeout per host).
  ~Connector();
  Connector(const Connector&) = delete;
  Connector& operator=(const Connector&) = delete;

  asio::any_io_executor loop() const { return loop_; }

  /// Runs `open` on the thread; rethrows what it throws.
  Task<void> run(std::function<void()> open);

  bool is_busy() const { return busy_ > 0; }

private:
  asio::any_io_executor loop_;
  std::atomic<int> busy_{0};
  asio::thread_pool thread_{1};
};

} // namespace regroup::db
