#include "telemetry/prometheus.hpp"

#include <prometheus/text_serializer.h>

#include <charconv>
#include <chrono>

namespace regroup::telemetry {
namespace {

using Buckets = prometheus::Histogram::BucketBoundaries;
using Names = std::array<const char*, 3>;

/// From a lock that is free to the longest time that a request may take.
const Buckets& seconds() {
  static const Buckets bounds{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0};
  return bounds;
}

const Buckets& device_counts() {
  static const Buckets bounds{1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0, 1000.0, 10000.0};
  return bounds;
}

constexpr Names kConnected{"first", "again", "failed"};           // by Connected
constexpr Names kDoubt{"committed", "rolled_back", "unresolved"}; // by Doubt
constexpr Names kStatus{"completed", "refused", "failed"};        // by MigrationStatus

auto& counters(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}

auto& histograms(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(registry);
}

prometheus::Gauge& gauge(prometheus::Registry& registry, const char* name, const char* help,
                         const prometheus::Labels& labels = {}) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add(labels);
}

std::array<prometheus::Counter*, 3> by_result(prometheus::Family<prometheus::Counter>& family,
                                              const Names& results) {
  std::array<prometheus::Counter*, 3> counted{};
  std::transform(results.begin(), results.end(), counted.begin(), [&](const char* result) {
    return &family.Add({{"result", result}});
  });
  return counted;
}

std::size_t index_of(auto value) { return static_cast<std::size_t>(value); }

} // namespace

PrometheusMetrics::PrometheusMetrics(const std::string& version)
    : requests_({"route", "method", "status"},
                [&answered = counters(registry_, "http_requests_total", "Requests answered."),
                 &took = histograms(registry_, "http_request_duration_seconds",
                                    "From a request's arrival until its answer was handed to the "
                                    "connection.")](const prometheus::Labels& labels) {
                  return Requests{answered.Add(labels), took.Add(labels, seconds())};
                }),
      rate_limited_(
          counters(registry_, "regroup_rate_limited_total", "Requests refused with 429.").Add({})),
      migrations_({"status", "reason"},
                  [&ended = counters(registry_, "regroup_migrations_total",
                                     "Requests for a migration, by what became of them.")](
                      const prometheus::Labels& labels) -> prometheus::Counter& {
                    return ended.Add(labels);
                  }),
      duration_(histograms(registry_, "regroup_migration_duration_seconds",
                           "Of migrations that committed, from the request's arrival to the "
                           "outcome.")
                    .Add({}, seconds())),
      devices_(histograms(registry_, "regroup_migration_devices",
                          "Devices of a migration that committed.")
                   .Add({}, device_counts())),
      group_actors_(gauge(registry_, "regroup_group_actors", "Group actors alive.")),
      queued_(gauge(registry_, "regroup_dispatcher_queue_depth",
                    "Jobs that wait for a database connection.")),
      wait_(histograms(registry_, "regroup_dispatcher_wait_seconds",
                       "How long a job waited for a database connection.")
                .Add({}, seconds())),
      busy_(gauge(registry_, "regroup_database_connections_busy",
                  "Database connections with a job.")),
      connections_(by_result(counters(registry_, "regroup_database_connects_total",
                                      "Connections to the database: a worker's first, again after "
                                      "one was lost, failed."),
                             kConnected)),
      doubts_(by_result(counters(registry_, "regroup_in_doubt_resolutions_total",
                                 "COMMITs whose answer was lost, by what was found out."),
                        kDoubt)),
      unsettled_(gauge(registry_, "regroup_unsettled_operations",
                       "Operations that were answered with a 504 and are not settled yet.")),
      given_up_(counters(registry_, "regroup_database_silences_total",
                         "Database connections that were given up, since their server said nothing "
                         "for longer than a job may wait.")
                    .Add({})),
      accepts_failed_(counters(registry_, "regroup_accept_failures_total",
                               "Connections that could not be accepted: no file, no memory.")
                          .Add({})),
      lines_dropped_(counters(registry_, "regroup_log_lines_dropped_total",
                              "Lines that the log's reader did not take.")
                         .Add({})),
      keys_skipped_(gauge(registry_, "regroup_token_keys_skipped",
                          "Keys of the JWKS file in force that cannot be used.")) {
  gauge(registry_, "regroup_build_info", "The version that runs; the value is always 1.",
        {{"version", version}})
      .Set(1);
  gauge(registry_, "process_start_time_seconds", "When the replica started, since 1970.")
      .Set(Seconds{std::chrono::system_clock::now().time_since_epoch()}.count());
}

void PrometheusMetrics::request_answered(std::string_view route, std::string_view method,
                                         int status, Seconds took) noexcept {
  std::array<char, 12> digits{};
  const auto* end = std::to_chars(digits.begin(), digits.end(), status).ptr;
  try {
    const auto& requests = requests_.with(
        {route.empty() ? "unmatched" : route, method, std::string_view{digits.begin(), end}});
    requests.answered.Increment();
    requests.took.Observe(took.count());
  } catch (...) { // out of memory: not counted
    return;
  }
}

void PrometheusMetrics::migration_ended(MigrationStatus status, std::string_view reason) noexcept {
  try {
    migrations_.with({kStatus.at(index_of(status)), reason}).Increment();
  } catch (...) { // out of memory: not counted
    return;
  }
}

void PrometheusMetrics::migration_committed(Seconds took, std::size_t devices) noexcept {
  duration_.Observe(took.count());
  devices_.Observe(static_cast<double>(devices));
}

void PrometheusMetrics::group_actors(std::size_t alive) noexcept {
  group_actors_.Set(static_cast<double>(alive));
}

void PrometheusMetrics::dispatcher(std::size_t queued, std::size_t connections_busy) noexcept {
  queued_.Set(static_cast<double>(queued));
  busy_.Set(static_cast<double>(connections_busy));
}

void PrometheusMetrics::database_connection(Connected how) noexcept {
  connections_[index_of(how)]->Increment();
}

void PrometheusMetrics::doubt_ended(Doubt how) noexcept { doubts_[index_of(how)]->Increment(); }

void PrometheusMetrics::log_lines_dropped(std::uint64_t since_the_start) noexcept {
  lines_dropped_.Increment(static_cast<double>(since_the_start) - lines_dropped_.Value());
}

void PrometheusMetrics::token_keys_skipped(std::size_t keys) noexcept {
  keys_skipped_.Set(static_cast<double>(keys));
}

std::string PrometheusMetrics::exposition() const {
  return prometheus::TextSerializer{}.Serialize(registry_.Collect());
}

} // namespace regroup::telemetry
