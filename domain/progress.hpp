#pragma once
#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>

namespace regroup::domain {

/// How far a migration has come: written by the worker that runs it, read by whoever is asked.
struct MigrationProgress {
  std::atomic<std::int64_t> total{-1}; // devices; not known yet
  std::atomic<std::int64_t> processed{0};
  std::chrono::steady_clock::time_point begun{};

  /// At the pace so far; nothing while there is none.
  std::optional<std::int64_t> seconds_left() const {
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
