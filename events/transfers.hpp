#pragma once
#include "domain/events.hpp"

#include <chrono>
#include <list>
#include <memory>
#include <string>
#include <vector>

namespace regroup::events {

/// HTTP POSTs under way at the same time, by libcurl. For one thread, but for wake().
class Transfers {
public:
  /// Throws std::runtime_error when there is no libcurl to use.
  Transfers(std::chrono::milliseconds timeout, bool allow_private_addresses);
  ~Transfers();
  Transfers(const Transfers&) = delete;
  Transfers& operator=(const Transfers&) = delete;

  void start(const domain::Delivery& delivery);

  /// Goes on with all of them until something happens, at most for `limit`; those that ended.
  std::vector<domain::SettleEvents::Result> go_on(std::chrono::milliseconds limit);

  /// Lets go_on() return; from any thread.
  void wake();

  std::size_t count() const;
  /// The endpoint of each.
  std::vector<domain::Uuid> endpoints() const;

private:
  struct Transfer;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

} // namespace regroup::events
