#pragma once
#include "domain/events.hpp"

#include <chrono>
#include <cstddef>
#include <list>
#include <memory>
#include <string>
#include <vector>

namespace regroup::events {

/// HTTP POSTs under way at the same time, by libcurl. For one thread, but for wake().
class Transfers {
public:
  /// Throws std::runtime_error when there is no libcurl to use. `most_connections`: those that are
  /// kept for the next event included.
  Transfers(std::chrono::milliseconds timeout, bool allow_private_addresses,
            std::size_t most_connections);
  ~Transfers();
  Transfers(const Transfers&) = delete;
  Transfers& operator=(const Transfers&) = delete;

  void start(const domain::Delivery& delivery);

  /// Goes on with all of them until something happens, at most for `limit`; what became of those
  /// whose outcome is known: once their answer's head has come, or they ended without one.
  std::vector<domain::SettleEvents::Result> go_on(std::chrono::milliseconds limit);

  /// Lets go_on() return; from any thread.
  void wake();

  /// Those whose answer has not ended included.
  std::size_t count() const;
  /// The endpoint of each that has no outcome yet.
  std::vector<domain::Uuid> endpoints() const;

private:
  void perform();
  std::vector<domain::SettleEvents::Result> collect();

  struct Transfer;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

} // namespace regroup::events
