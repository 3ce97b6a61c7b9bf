#pragma once
#include "domain/metrics.hpp"
#include "telemetry/children.hpp"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <array>
#include <string>

namespace regroup::telemetry {

/// domain::Metrics for Prometheus; prometheus-cpp keeps and prints them. docs/metrics.md is the
/// catalogue; a test compares the two.
class PrometheusMetrics final : public domain::Metrics {
public:
  explicit PrometheusMetrics(const std::string& version);

  void request_answered(std::string_view route, std::string_view method, int status,
                        Seconds took) noexcept override;
  void rate_limited() noexcept override { rate_limited_.Increment(); }
  void migration_ended(MigrationStatus status, std::string_view reason) noexcept override;
  void migration_committed(Seconds took, std::size_t devices) noexcept override;
  void group_actors(std::size_t alive) noexcept override;
  void dispatcher(std::size_t queued, std::size_t connections_busy) noexcept override;
  void job_waited(Seconds in_queue) noexcept override { wait_.Observe(in_queue.count()); }
  void database_connection(Connected how) noexcept override;
  void doubt_ended(Doubt how) noexcept override;
  void unsettled(std::size_t operations) noexcept override {
    unsettled_.Set(static_cast<double>(operations));
  }

  void accept_failed() noexcept override { accepts_failed_.Increment(); }
  void connection_given_up() noexcept override { given_up_.Increment(); }
  void log_lines_dropped(std::uint64_t since_the_start) noexcept override;
  void token_keys_skipped(std::size_t keys) noexcept override;

  std::string exposition() const override;

private:
  struct Requests {
    prometheus::Counter& answered;
    prometheus::Histogram& took;
  };
  using Counters = std::array<prometheus::Counter*, 3>;

  prometheus::Registry registry_; // owns what the others refer to
  Children<Requests, 3> requests_;
  prometheus::Counter& rate_limited_;
  Children<prometheus::Counter&, 2> migrations_;
  prometheus::Histogram& duration_;
  prometheus::Histogram& devices_;
  prometheus::Gauge& group_actors_;
  prometheus::Gauge& queued_;
  prometheus::Histogram& wait_;
  prometheus::Gauge& busy_;
  Counters connections_; // by Connected
  Counters doubts_;      // by Doubt
  prometheus::Gauge& unsettled_;
  prometheus::Counter& given_up_;
  prometheus::Counter& accepts_failed_;
  prometheus::Counter& lines_dropped_;
  prometheus::Gauge& keys_skipped_;
};

} // namespace regroup::telemetry
