#include "telemetry/prometheus.hpp"

#include <algorithm>
#include <charconv>
#include <numeric>
#include <utility>

namespace regroup::telemetry {
namespace {

/// From a lock that is taken at once to the longest that a request may take.
constexpr std::array kSeconds{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0};
constexpr std::array kDevices{1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0, 1000.0, 10000.0};

constexpr std::array kConnected{"first", "again", "failed"};           // by Connected
constexpr std::array kDoubt{"committed", "rolled_back", "unresolved"}; // by Doubt
constexpr std::array kStatus{"completed", "refused", "failed"};        // by MigrationStatus

void append_number(std::string& to, auto value) {
  std::array<char, 32> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  to.append(digits.data(), end);
}

void append_sample(std::string& to, std::string_view name, std::string_view suffix,
                   std::string_view labels, auto value) {
  to.append(name).append(suffix);
  if (!labels.empty())
    to.append("{").append(labels).append("}");
  to += ' ';
  append_number(to, value);
  to += '\n';
}

void append_head(std::string& to, std::string_view name, std::string_view type,
                 std::string_view help) {
  to.append("# HELP ").append(name).append(" ").append(help).append("\n# TYPE ");
  to.append(name).append(" ").append(type).append("\n");
}

/// Values come from fixed tables and need no escapes.
std::string label(std::string_view name, std::string_view value) {
  return std::string{name} + "=\"" + std::string{value} + "\"";
}

std::size_t index_of(auto value) { return static_cast<std::size_t>(value); }

} // namespace

void Histogram::observe(double value) noexcept {
  const auto bound = std::lower_bound(bounds_.begin(), bounds_.end(), value);
  ++counts_[static_cast<std::size_t>(bound - bounds_.begin())];
  sum_.fetch_add(value);
}

std::uint64_t Histogram::count() const {
  return std::accumulate(counts_.begin(), counts_.end(), std::uint64_t{0});
}

void Histogram::write(std::string& to, std::string_view name, std::string_view labels) const {
  const std::string before = labels.empty() ? "" : std::string{labels} + ",";
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < bounds_.size(); ++i) {
    std::string bound;
    append_number(bound, bounds_[i]);
    total += counts_[i];
    append_sample(to, name, "_bucket", before + label("le", bound), total);
  }
  total += counts_[bounds_.size()];
  append_sample(to, name, "_bucket", before + label("le", "+Inf"), total);
  append_sample(to, name, "_sum", labels, sum_.load());
  append_sample(to, name, "_count", labels, total);
}

PrometheusMetrics::PrometheusMetrics(std::string version)
    : version_(std::move(version)),
      started_(Seconds{std::chrono::system_clock::now().time_since_epoch()}.count()),
      duration_(kSeconds), devices_(kDevices), wait_(kSeconds) {}

void PrometheusMetrics::request_answered(std::string_view route, std::string_view method,
                                         int status, Seconds took) noexcept {
  const std::tuple key{route.empty() ? std::string_view{"unmatched"} : route, method, status};
  Histogram* histogram = nullptr;
  try {
    const std::scoped_lock lock{mutex_};
    auto found = requests_.find(key);
    if (found == requests_.end())
      found = requests_.emplace(RequestKey{key}, std::make_unique<Histogram>(kSeconds)).first;
    histogram = found->second.get();
  } catch (...) { // out of memory: not counted
    return;
  }
  histogram->observe(took.count());
}

void PrometheusMetrics::migration_ended(MigrationStatus status, std::string_view reason) noexcept {
  try {
    const std::scoped_lock lock{mutex_};
    const std::tuple key{status, reason};
    const auto found = migrations_.find(key);
    ++(found == migrations_.end() ? migrations_[MigrationKey{key}] : found->second);
  } catch (...) { // out of memory: not counted
    return;
  }
}

void PrometheusMetrics::migration_committed(Seconds took, std::size_t devices) noexcept {
  duration_.observe(took.count());
  devices_.observe(static_cast<double>(devices));
}

void PrometheusMetrics::dispatcher(std::size_t queued, std::size_t connections_busy) noexcept {
  queued_ = queued;
  busy_ = connections_busy;
}

void PrometheusMetrics::database_connection(Connected how) noexcept {
  ++connections_[index_of(how)];
}

void PrometheusMetrics::doubt_ended(Doubt how) noexcept { ++doubts_[index_of(how)]; }

std::string PrometheusMetrics::exposition() const {
  std::string text;
  append_head(text, "regroup_build_info", "gauge", "The version that runs; the value is always 1.");
  append_sample(text, "regroup_build_info", "", label("version", version_), 1);
  append_head(text, "process_start_time_seconds", "gauge", "When the replica started, since 1970.");
  append_sample(text, "process_start_time_seconds", "", "", started_);
  write_requests(text);
  write_migrations(text);
  write_actors(text);
  write_database(text);
  return text;
}

void PrometheusMetrics::write_requests(std::string& text) const {
  std::string durations;
  append_head(text, "http_requests_total", "counter", "Requests answered.");
  const std::scoped_lock lock{mutex_};
  for (const auto& [key, histogram] : requests_) {
    const auto& [route, method, status] = key;
    const std::string labels = label("route", route) + "," + label("method", method) + "," +
                               label("status", std::to_string(status));
    append_sample(text, "http_requests_total", "", labels, histogram->count());
    histogram->write(durations, "http_request_duration_seconds", labels);
  }
  append_head(text, "http_request_duration_seconds", "histogram",
              "From a request's arrival until its answer was handed to the connection.");
  text += durations;
  append_head(text, "regroup_rate_limited_total", "counter", "Requests refused with 429.");
  append_sample(text, "regroup_rate_limited_total", "", "", rate_limited_.load());
}

void PrometheusMetrics::write_migrations(std::string& text) const {
  append_head(text, "regroup_migrations_total", "counter",
              "Requests for a migration, by what became of them.");
  {
    const std::scoped_lock lock{mutex_};
    for (const auto& [key, count] : migrations_)
      append_sample(text, "regroup_migrations_total", "",
                    label("status", kStatus[index_of(std::get<0>(key))]) + "," +
                        label("reason", std::get<1>(key)),
                    count.load());
  }
  append_head(text, "regroup_migration_duration_seconds", "histogram",
              "Of migrations that committed, from the request's arrival to the outcome.");
  duration_.write(text, "regroup_migration_duration_seconds", "");
  append_head(text, "regroup_migration_devices", "histogram",
              "Devices of a migration that committed.");
  devices_.write(text, "regroup_migration_devices", "");
}

void PrometheusMetrics::write_actors(std::string& text) const {
  append_head(text, "regroup_group_actors", "gauge", "Group actors alive.");
  append_sample(text, "regroup_group_actors", "", "", group_actors_.load());
  append_head(text, "regroup_dispatcher_queue_depth", "gauge",
              "Jobs that wait for a database connection.");
  append_sample(text, "regroup_dispatcher_queue_depth", "", "", queued_.load());
  append_head(text, "regroup_dispatcher_wait_seconds", "histogram",
              "How long a job waited for a database connection.");
  wait_.write(text, "regroup_dispatcher_wait_seconds", "");
  append_head(text, "regroup_database_connections_busy", "gauge",
              "Database connections with a job.");
  append_sample(text, "regroup_database_connections_busy", "", "", busy_.load());
}

void PrometheusMetrics::write_database(std::string& text) const {
  append_head(text, "regroup_database_connects_total", "counter",
              "Connections to the database: a worker's first, again after one was lost, failed.");
  for (std::size_t i = 0; i < connections_.size(); ++i)
    append_sample(text, "regroup_database_connects_total", "", label("result", kConnected[i]),
                  connections_[i].load());
  append_head(text, "regroup_in_doubt_resolutions_total", "counter",
              "COMMITs whose answer was lost, by what was found out.");
  for (std::size_t i = 0; i < doubts_.size(); ++i)
    append_sample(text, "regroup_in_doubt_resolutions_total", "", label("result", kDoubt[i]),
                  doubts_[i].load());
}

} // namespace regroup::telemetry
