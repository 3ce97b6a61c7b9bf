#pragma once
#include "domain/metrics.hpp"

#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <tuple>

namespace regroup::telemetry {

/// A Prometheus histogram: counts of observations up to each bound, and their sum.
class Histogram {
public:
  /// Ascending; what lies above the last is counted as well. At most 16. They outlive the
  /// histogram.
  explicit Histogram(std::span<const double> bounds) : bounds_(bounds) {}

  void observe(double value) noexcept;
  /// `labels` is empty or `name="value"`, several with commas between.
  void write(std::string& to, std::string_view name, std::string_view labels) const;
  std::uint64_t count() const;

private:
  static constexpr std::size_t kMostBounds = 16;
  std::span<const double> bounds_;
  std::array<std::atomic<std::uint64_t>, kMostBounds + 1> counts_{}; // each for itself, not summed
  std::atomic<double> sum_{0};
};

/// domain::Metrics as Prometheus reads them. The catalogue is in docs/metrics.md; a test compares
/// the two.
class PrometheusMetrics final : public domain::Metrics {
public:
  explicit PrometheusMetrics(std::string version);

  void request_answered(std::string_view route, std::string_view method, int status,
                        Seconds took) noexcept override;
  void rate_limited() noexcept override { ++rate_limited_; }
  void migration_ended(MigrationStatus status, std::string_view reason) noexcept override;
  void migration_committed(Seconds took, std::size_t devices) noexcept override;
  void group_actors(std::size_t alive) noexcept override { group_actors_ = alive; }
  void dispatcher(std::size_t queued, std::size_t connections_busy) noexcept override;
  void job_waited(Seconds in_queue) noexcept override { wait_.observe(in_queue.count()); }
  void database_connection(Connected how) noexcept override;
  void doubt_ended(Doubt how) noexcept override;

  std::string exposition() const override;

private:
  using Count = std::atomic<std::uint64_t>;
  using RequestKey = std::tuple<std::string, std::string, int>; // route, method, status
  using MigrationKey = std::tuple<MigrationStatus, std::string>;

  void write_requests(std::string& text) const;
  void write_migrations(std::string& text) const;
  void write_actors(std::string& text) const;
  void write_database(std::string& text) const;

  const std::string version_;
  const double started_;     // seconds since 1970
  mutable std::mutex mutex_; // guards the two maps, not what they hold
  std::map<RequestKey, std::unique_ptr<Histogram>, std::less<>> requests_;
  std::map<MigrationKey, Count, std::less<>> migrations_;
  Histogram duration_;
  Histogram devices_;
  Histogram wait_;
  Count rate_limited_{0};
  std::atomic<std::size_t> group_actors_{0};
  std::atomic<std::size_t> queued_{0};
  std::atomic<std::size_t> busy_{0};
  std::array<Count, 3> connections_{}; // by Connected
  std::array<Count, 3> doubts_{};      // by Doubt
};

} // namespace regroup::telemetry
