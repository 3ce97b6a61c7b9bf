// `regroup doctor` as an operator calls it.
#include "tests/service/command.hpp"
#include "tests/service/support.hpp"
#include "tests/support/pgbouncer.hpp"

#include <catch2/catch.hpp>

using namespace regroup;
using namespace regroup::test;

namespace {

Said doctor(const std::string& url, const Process::Environment& environment = {}) {
  return run_command(with_settings({"doctor", "--json"}, url), environment);
}

std::string severity_of(const Said& said, const std::string& code) {
  const json report = json::parse(said.output);
  for (const auto& finding : report.at("findings"))
    if (finding.at("code") == code)
      return finding.at("severity").get<std::string>();
  return "";
}

} // namespace

TEST_CASE("doctor says a line for each finding, and its status is 1 when one is an error") {
  Postgres durable{{.settings = {}, .durable = true}};
  const auto url = durable.create_database();
  REQUIRE(run_command(with_settings({"schema", "apply"}, url)).status == 0);
  const auto sound = run_command(with_settings({"doctor"}, url));
  CHECK(sound.status == 0);
  CHECK(sound.output.find("ok      lock/excludes: ") != std::string::npos);
  CHECK(sound.output.find("note    durability: ") != std::string::npos);

  const auto json_said = doctor(url);
  CHECK(json::parse(json_said.output).at("healthy") == true);
  CHECK(severity_of(json_said, "rehearsal/migrate").empty());
  CHECK(severity_of(json_said, "keys/readable") == "ok");
  CHECK(severity_of(json_said, "keys/audience") == "warning");
  auto for_regroup = with_settings({"doctor", "--json"}, url);
  for_regroup.emplace_back("--auth.jwt_audience=regroup");
  CHECK(severity_of(run_command(for_regroup), "keys/audience") == "ok");

  const auto rehearsed = run_command(with_settings({"doctor", "--json", "--rehearse"}, url));
  CHECK(severity_of(rehearsed, "rehearsal/migrate") == "ok");
  CHECK(run_command({"schema", "status", "--database.url=" + url, "--auth.jwt_algorithm=RS256"})
            .status == 0); // it needs no key

  const auto no_key =
      run_command({"doctor", "--json", "--database.url=" + url, "--auth.jwt_algorithm=RS256",
                   "--auth.jwt_public_key_file=/nowhere/key.pem"});
  CHECK(no_key.status == 1);
  CHECK(severity_of(no_key, "keys/readable") == "error");
  CHECK(severity_of(no_key, "lock/excludes") == "ok");

  const auto late = doctor(url, {{"LD_PRELOAD", REGROUP_LATE_CLOCK}});
  CHECK(late.status == 1);
  CHECK(severity_of(late, "clock/skew") == "error");

  CHECK(run_command(with_settings({"doctor", "--replicas", "many"}, url)).status == 2);
}

TEST_CASE("doctor counts the replicas' connections at a server, and not through a pooler") {
  Postgres postgres{{.settings = {}, .tcp = true}};
  const auto url = postgres.create_database();
  REQUIRE(run_command(with_settings({"schema", "apply"}, url)).status == 0);
  const Pgbouncer pooler{postgres, "transaction"};
  const auto with_replicas = [](const std::string& where) {
    return run_command(with_settings({"doctor", "--json", "--replicas", "1000"}, where));
  };
  CHECK(severity_of(with_replicas(url), "connections/room") == "error");
  const auto pooled =
      with_replicas(pooler.url(Sql{url}.value<std::string>("SELECT current_database()")));
  CHECK(severity_of(pooled, "connections/room") == "note");
}
