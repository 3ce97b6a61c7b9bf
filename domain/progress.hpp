#pragma once
#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>

namespace regroup::domain {

/// How far a migration has come, and where its time went: written by the worker that runs it, read
/// by whoever is asked.
struct MigrationProgress {
  using TimePoint = std::chrono::steady_clock::time_point;

  std::atomic<std::int64_t> total{-1}; // devices; not known yet
  std::atomic<std::int64_t> processed{0};

  // In microseconds; negative: it has not come to that.
  std::atomic<std::int64_t> queue_us{-1};    // from the request until a worker took it up
  std::atomic<std::int64_t> lock_us{-1};     // from BEGIN until all locks were held
  std::atomic<std::int64_t> database_us{-1}; // from when a worker took it up until its outcome

  /// Whether a worker took it up: most that are refused are refused before.
  bool has_run() const { return queue_us >= 0; }

  /// At the pace since `begun`; nothing while there is none.
  std::optional<std::int64_t> seconds_left(TimePoint begun) const {
    const std::int64_t done = processed;
    const std::int64_t all = total;
    if (done <= 0 || all < done)
      return std::nullopt;
    const auto took = std::chrono::steady_clock::now() - begun;
    return std::chrono::ceil<std::chrono::seconds>(took * (all - done) / done).count();
  }

  /// Counted from outside, where the worker has not said it.
  void set_total(std::int64_t counted) {
    std::int64_t unknown = -1;
    total.compare_exchange_strong(unknown, counted);
  }
};

} // namespace regroup::domain
