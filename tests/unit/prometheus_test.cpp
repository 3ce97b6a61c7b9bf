#include "telemetry/prometheus.hpp"

#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <thread>
#include <vector>

using namespace regroup;
using namespace std::chrono_literals;
using telemetry::PrometheusMetrics;
using MigrationStatus = domain::Metrics::MigrationStatus;

namespace {

using Catalogue = std::map<std::string, std::string>; // name -> type

/// Of a replica that has answered a request and ended a migration.
Catalogue served() {
  PrometheusMetrics metrics{"1"};
  metrics.request_answered("/a", "GET", 200, 5ms);
  metrics.migration_ended(MigrationStatus::completed, "full");
  std::istringstream lines{metrics.exposition()};
  Catalogue types;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words{line};
    std::string hash;
    std::string keyword;
    std::string name;
    if (words >> hash >> keyword >> name && keyword == "TYPE")
      words >> types[name];
  }
  return types;
}

Catalogue documented() {
  std::ifstream file{std::filesystem::path{REGROUP_SOURCE_DIR} / "docs" / "metrics.md"};
  Catalogue types;
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("| `")) {
      const auto end = line.find('`', 3);
      const auto type = line.find("| ", end) + 2;
      types[line.substr(3, end - 3)] = line.substr(type, line.find(' ', type) - type);
    }
  return types;
}

bool has(const PrometheusMetrics& metrics, const std::string& line) {
  return ("\n" + metrics.exposition()).find("\n" + line + "\n") != std::string::npos;
}

} // namespace

TEST_CASE("docs/metrics.md lists every metric that is served, with its type, and no other") {
  CHECK(served().size() > 10);
  CHECK(documented() == served());
}

TEST_CASE("requests are counted by route, method and status") {
  PrometheusMetrics metrics{"1"};
  metrics.request_answered("/a/{id}", "GET", 200, 5ms);
  metrics.request_answered("/a/{id}", "GET", 200, 6ms);
  metrics.request_answered("/a/{id}", "GET", 404, 40s);
  metrics.request_answered("", "PUT", 404, 1ms);
  const std::string ok = R"(method="GET",route="/a/{id}",status="200")";
  const std::string absent = R"(method="GET",route="/a/{id}",status="404")";
  CHECK(has(metrics, "http_requests_total{" + ok + "} 2"));
  CHECK(has(metrics, R"(http_requests_total{method="PUT",route="unmatched",status="404"} 1)"));
  // A bucket holds what lies on its bound, and everything below.
  CHECK(has(metrics, "http_request_duration_seconds_bucket{" + ok + R"(,le="0.005"} 1)"));
  CHECK(has(metrics, "http_request_duration_seconds_bucket{" + ok + R"(,le="0.01"} 2)"));
  CHECK(has(metrics, "http_request_duration_seconds_bucket{" + ok + R"(,le="+Inf"} 2)"));
  CHECK(has(metrics, "http_request_duration_seconds_bucket{" + absent + R"(,le="30"} 0)"));
  CHECK(has(metrics, "http_request_duration_seconds_bucket{" + absent + R"(,le="+Inf"} 1)"));
  CHECK(has(metrics, "http_request_duration_seconds_sum{" + absent + "} 40"));
}

TEST_CASE("migrations are counted by what became of them") {
  PrometheusMetrics metrics{"1"};
  metrics.migration_ended(MigrationStatus::completed, "full");
  metrics.migration_ended(MigrationStatus::refused, "migration/in-progress");
  metrics.migration_ended(MigrationStatus::refused, "migration/in-progress");
  metrics.migration_committed(20ms, 3);
  metrics.doubt_ended(domain::Metrics::Doubt::committed);
  metrics.database_connection(domain::Metrics::Connected::again);
  CHECK(has(metrics, R"(regroup_migrations_total{reason="full",status="completed"} 1)"));
  CHECK(has(metrics,
            R"(regroup_migrations_total{reason="migration/in-progress",status="refused"} 2)"));
  CHECK(has(metrics, R"(regroup_migration_devices_bucket{le="2"} 0)"));
  CHECK(has(metrics, R"(regroup_migration_devices_bucket{le="3"} 1)"));
  CHECK(has(metrics, "regroup_migration_duration_seconds_count 1"));
  CHECK(has(metrics, R"(regroup_in_doubt_resolutions_total{result="committed"} 1)"));
  CHECK(has(metrics, R"(regroup_database_connects_total{result="again"} 1)"));
}

TEST_CASE("many combinations of labels are told apart") {
  PrometheusMetrics metrics{"1"};
  for (int round = 0; round < 2; ++round)
    for (int status = 100; status < 600; ++status) {
      metrics.request_answered("/a", "GET", status, 1s);
      metrics.request_answered("/a", "PUT", status, 1s);
    }
  const auto text = metrics.exposition();
  for (int status = 100; status < 600; ++status) {
    const auto labels = R"(route="/a",status=")" + std::to_string(status) + R"("} 2)";
    REQUIRE(text.find(R"(http_requests_total{method="GET",)" + labels) != std::string::npos);
    REQUIRE(text.find(R"(http_requests_total{method="PUT",)" + labels) != std::string::npos);
  }
}

TEST_CASE("what several threads count at once is all counted") {
  PrometheusMetrics metrics{"1"};
  {
    std::vector<std::jthread> threads;
    for (int each = 0; each < 4; ++each)
      threads.emplace_back([&] {
        for (int i = 0; i < 1000; ++i) {
          metrics.request_answered("/a", "GET", 200 + i % 3, 1s);
          metrics.migration_ended(MigrationStatus::completed, "full");
          metrics.rate_limited();
        }
      });
  }
  CHECK(has(metrics, R"(http_requests_total{method="GET",route="/a",status="200"} 1336)"));
  CHECK(has(metrics,
            R"(http_request_duration_seconds_sum{method="GET",route="/a",status="201"} 1332)"));
  CHECK(has(metrics, R"(regroup_migrations_total{reason="full",status="completed"} 4000)"));
  CHECK(has(metrics, "regroup_rate_limited_total 4000"));
}
