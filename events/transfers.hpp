#pragma once
#include "domain/events.hpp"

#include <chrono>
#include <cstddef>
#include <list>
#include <memory>
#include <string>
#include <vector>

namespace regroup::events {

/// Concurrent HTTP POSTs by libcurl. For one thread, except wake().
class Transfers {
public:
  /// Throws std::runtime_error if libcurl cannot be used. `most_connections` includes those kept
  /// for the next event.
  Transfers(std::chrono::milliseconds timeout, bool allow_private_addresses,
            std::size_t most_connections);
  ~Transfers();
  Transfers(const Transfers&) = delete;
  Transfers& operator=(const Transfers&) = delete;

  void start(const domain::Delivery& delivery);

  /// Drives all transfers until something happens, at most for `limit`. Returns the results that
  /// are known by then: a result is known once the head of the answer has arrived, or the transfer
  /// has ended without one.
  std::vector<domain::SettleEvents::Result> go_on(std::chrono::milliseconds limit);

  /// Makes go_on() return. From any thread.
  void wake();

  /// Includes transfers whose answer is still arriving.
  std::size_t count() const;
  /// The endpoint of each transfer without a result yet.
  std::vector<domain::Uuid> endpoints() const;

private:
  void perform();
  std::vector<domain::SettleEvents::Result> collect();

  struct Transfer;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

} // namespace regroup::events
