#pragma once
#include "domain/uuid.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <unordered_map>

namespace regroup::http {

/// Enforces `limits.requests_per_minute` for each user of this replica: a burst of a minute's
/// worth, then an even rate. It is the generic cell rate algorithm, which stores one point in time
/// per user. Thread-safe.
class RateLimiter {
public:
  using Clock = std::chrono::steady_clock;

  /// 0: no limit.
  explicit RateLimiter(std::int64_t requests_per_minute);

  /// Applies from now on. What users have spent of their minute stays spent.
  void set_limit(std::int64_t requests_per_minute);

  /// Returns nothing if the request may go on, else the whole seconds (1 or more) to wait.
  std::optional<std::chrono::seconds> refuse(const domain::Uuid& user, Clock::time_point now);

  /// Forgets users whose minute is full again, which makes no difference to them.
  void sweep(Clock::time_point now);

  std::size_t remembered() const;

private:
  struct Shard {
    mutable std::mutex mutex;
    std::unordered_map<domain::Uuid, Clock::time_point, domain::UuidHash>
        full_again; // when a user's minute is full again
  };
  static constexpr std::size_t kShards = 16;

  Shard& shard_of(const domain::Uuid& user);

  std::atomic<std::chrono::nanoseconds> each_{}; // what one request costs
  std::array<Shard, kShards> shards_;
};

} // namespace regroup::http
