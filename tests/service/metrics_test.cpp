// What Prometheus sees of three replicas is what the test did with them.
#include "tests/service/support.hpp"

#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

using namespace regroup;
using namespace regroup::test;
using namespace std::chrono_literals;

namespace {

const std::filesystem::path kDeployed =
    std::filesystem::path{REGROUP_SOURCE_DIR} / "deploy" / "prometheus";

Service::Options three_replicas() {
  Service::Options options;
  options.replicas = 3;
  return options;
}

/// The deployed configuration, with the replicas of the test and a scrape every quarter second.
class Prometheus {
public:
  explicit Prometheus(Service& service) {
    std::ifstream deployed{kDeployed / "prometheus.yml"};
    std::string text{std::istreambuf_iterator<char>{deployed}, {}};
    for (std::size_t i = 0; i < service.replica_count(); ++i)
      replace(text, "127.0.0.1:808" + std::to_string(i + 1),
              "127.0.0.1:" + std::to_string(service.replica(i).port()));
    replace(text, "scrape_interval: 15s", "scrape_interval: 250ms\n  scrape_timeout: 250ms");
    std::ofstream{folder_.path() / "prometheus.yml"} << text;
    std::filesystem::copy(kDeployed / "regroup-rules.yml", folder_.path());
    process_.emplace(
        "prometheus",
        std::vector<std::string>{"--config.file=" + (folder_.path() / "prometheus.yml").string(),
                                 "--storage.tsdb.path=" + (folder_.path() / "data").string(),
                                 "--web.listen-address=127.0.0.1:" + std::to_string(port_)});
  }

  /// The value of an expression that gives one sample; -1 for none.
  double value(const std::string& expression) {
    std::ostringstream query;
    for (const unsigned char c : expression) // RFC 3986: everything may be escaped
      query << '%' << "0123456789ABCDEF"[c >> 4] << "0123456789ABCDEF"[c & 15];
    const auto answer = HttpClient{port_}.get("/api/v1/query?query=" + query.str());
    const auto body = json::parse(answer ? answer->body : "", nullptr, false);
    if (!body.contains("data") || body["data"]["result"].size() != 1)
      return -1;
    return std::stod(body["data"]["result"][0]["value"][1].get<std::string>());
  }

  std::string log() const { return process_->errors(); }

private:
  static void replace(std::string& text, const std::string& what, const std::string& with) {
    const auto at = text.find(what);
    REQUIRE(at != std::string::npos);
    text.replace(at, what.size(), with);
  }

  TempFolder folder_;
  unsigned port_ = free_port();
  std::optional<Process> process_;
};

/// Runs a program to its end and wants success.
void run(const std::string& program, const std::vector<std::string>& arguments) {
  Process process{program, arguments};
  const auto status = process.wait(60s);
  INFO(process.output() << process.errors());
  CHECK(status == 0);
}

} // namespace

TEST_CASE("Prometheus sees of three replicas what was done with them") {
  ServiceTest test{three_replicas()};
  constexpr int kGroups = 6;
  const auto user = test.world.add_user();
  for (int i = 0; i < kGroups; ++i) {
    const std::string group = "camping-" + std::to_string(i);
    test.world.add_devices(group, 3, user);
    const unsigned port = test.service.replica(static_cast<std::size_t>(i) % 3).port();
    REQUIRE(status_of(test.migrate(port, user, test.body(group))) == 201);
    REQUIRE(code_of(test.migrate(port, user, test.body(group))) == "resource/already-migrated");
  }
  REQUIRE(status_of(test.migrate(test.service.port(), user, "no json")) == 400);
  REQUIRE(status_of(test.service.client().get("/nowhere/" + std::string(50, 'x'))) == 404);

  Prometheus prometheus{test.service};
  const auto becomes = [&](const std::string& expression, double value) {
    const bool became = eventually([&] { return prometheus.value(expression) == value; }, 30s);
    INFO(expression << " is " << prometheus.value(expression) << "\n" << prometheus.log());
    CHECK(became);
  };
  const std::string route = R"(route="/api/v1/groups/migrate")";
  becomes(R"(sum(up{job="regroup"}))", 3);
  becomes(R"(sum(regroup_migrations_total{status="completed",reason="full"}))", kGroups);
  becomes(R"(min(regroup_migrations_total{status="completed",reason="full"}))", kGroups / 3);
  becomes(R"(sum(regroup_migrations_total{reason="resource/already-migrated"}))", kGroups);
  becomes("sum(http_requests_total{" + route + R"(,status="201"}))", kGroups);
  becomes("sum(http_requests_total{" + route + R"(,status="400"}))", 1);
  becomes(R"(sum(http_requests_total{route="unmatched"}))", 1);
  becomes("sum(regroup_migration_devices_sum)", 3 * kGroups);
  becomes("sum(regroup_migration_duration_seconds_count)", kGroups);
  becomes("sum(regroup_group_actors)", kGroups);
  becomes("sum(regroup_dispatcher_queue_depth)", 0);
}

TEST_CASE("the metrics are as promtool wants them") {
  ServiceTest test;
  const auto user = test.world.add_user();
  test.world.add_devices("camping-2025", 3, user);
  REQUIRE(status_of(test.migrate(test.service.port(), user, test.body("camping-2025"))) == 201);
  run("sh", {"-c", "curl -sf http://127.0.0.1:" + std::to_string(test.service.port()) +
                       "/metrics | promtool check metrics"});
  const auto answer = test.service.client().get("/metrics");
  REQUIRE(status_of(answer) == 200);
  CHECK(answer->headers.at("Content-Type") == "text/plain; version=0.0.4; charset=utf-8");
}

TEST_CASE("the alert rules are valid, and fire when they should") {
  run("promtool", {"check", "rules", (kDeployed / "regroup-rules.yml").string()});
  run("promtool", {"test", "rules", (kDeployed / "regroup-rules-test.yml").string()});
}

TEST_CASE("the dashboard asks for metrics that there are") {
  std::ifstream file{kDeployed / "grafana-dashboard.json"};
  const auto dashboard = json::parse(file);
  std::ifstream docs{std::filesystem::path{REGROUP_SOURCE_DIR} / "docs" / "metrics.md"};
  const std::string catalogue{std::istreambuf_iterator<char>{docs}, {}};
  int asked = 0;
  for (const auto& panel : dashboard.at("panels"))
    for (const auto& target : panel.at("targets")) {
      const auto text = target.at("expr").get<std::string>();
      const std::regex names{R"((?:regroup|http)_[a-z_]+)"};
      for (std::sregex_iterator each{text.begin(), text.end(), names}, end; each != end; ++each) {
        const auto name = std::regex_replace(each->str(), std::regex{"_bucket$"}, "");
        INFO(name);
        CHECK(catalogue.find("| `" + name + "` |") != std::string::npos);
        ++asked;
      }
    }
  CHECK(asked >= 10);
}
