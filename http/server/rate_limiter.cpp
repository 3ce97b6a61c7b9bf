#include "http/server/rate_limiter.hpp"

#include <algorithm>

namespace regroup::http {
namespace {

constexpr std::chrono::nanoseconds kBurst = std::chrono::minutes{1};

} // namespace

RateLimiter::RateLimiter(std::int64_t requests_per_minute) { set_limit(requests_per_minute); }

void RateLimiter::set_limit(std::int64_t requests_per_minute) {
  each_ = requests_per_minute > 0 ? kBurst / requests_per_minute : std::chrono::nanoseconds{};
}

std::optional<std::chrono::seconds> RateLimiter::refuse(const domain::Uuid& user,
                                                        Clock::time_point now) {
  const std::chrono::nanoseconds each = each_;
  if (each.count() == 0)
    return std::nullopt;
  Shard& shard = shard_of(user);
  const std::scoped_lock lock{shard.mutex};
  auto& full_again = shard.full_again[user];
  const auto after = std::max(full_again, now) + each;
  if (after - now > kBurst)
    return std::max(std::chrono::ceil<std::chrono::seconds>(after - now - kBurst),
                    std::chrono::seconds{1});
  full_again = after;
  return std::nullopt;
}

void RateLimiter::sweep(Clock::time_point now) {
  for (Shard& shard : shards_) {
    const std::scoped_lock lock{shard.mutex};
    std::erase_if(shard.full_again, [now](const auto& entry) { return entry.second <= now; });
  }
}

std::size_t RateLimiter::remembered() const {
  std::size_t count = 0;
  for (const Shard& shard : shards_) {
    const std::scoped_lock lock{shard.mutex};
    count += shard.full_again.size();
  }
  return count;
}

RateLimiter::Shard& RateLimiter::shard_of(const domain::Uuid& user) {
  return shards_[user.hash() % kShards];
}

} // namespace regroup::http
