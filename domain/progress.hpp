#pragma once
#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>

namespace regroup::domain {

/// The progress of a migration, and where its time went. Written by the worker that runs it; read
/// by any thread.
struct MigrationProgress {
  using TimePoint = std::chrono::steady_clock::time_point;

  std::atomic<std::int64_t> total{-1}; // devices; -1: not known yet
  std::atomic<std::int64_t> processed{0};

  // In microseconds; negative: not reached yet.
  std::atomic<std::int64_t> queue_us{-1};    // from the request until a worker started it
  std::atomic<std::int64_t> lock_us{-1};     // from BEGIN until all locks were held
  std::atomic<std::int64_t> database_us{-1}; // from a worker's start until the outcome

  /// Whether a worker started it; most refusals come before that.
  bool has_run() const { return queue_us >= 0; }

  /// Estimated from the pace since `begun`; std::nullopt while there is no pace to go by.
  std::optional<std::int64_t> seconds_left(TimePoint begun) const {
    const std::int64_t done = processed;
    const std::int64_t all = total;
    if (done <= 0 || all < done)
      return std::nullopt;
    const auto took = std::chrono::steady_clock::now() - begun;
    return std::chrono::ceil<std::chrono::seconds>(took * (all - done) / done).count();
  }

  /// Sets a total counted elsewhere, unless the worker has set it.
  void set_total(std::int64_t counted) {
    std::int64_t unknown = -1;
    total.compare_exchange_strong(unknown, counted);
  }
};

} // namespace regroup::domain
