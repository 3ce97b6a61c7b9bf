#pragma once
#include "config/settings.hpp"

#include <cstdint>
#include <string>

namespace regroup::app {

/// What `regroup serve` says to a person: nothing, unless its standard output is a terminal.
class Banner {
public:
  explicit Banner(const config::Settings& settings);

  /// Where the service is, and how to stop it.
  void serving(std::uint16_t port) const;
  /// What a stop waits for first: that load balancers notice.
  void leaving() const;
  /// And then: requests that were not answered yet.
  void draining(std::int64_t owed) const;
  void stopped(std::int64_t unanswered) const;

private:
  const config::Settings& settings_;
  bool on_;
};

} // namespace regroup::app
