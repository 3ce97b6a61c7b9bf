// `regroup doctor` as an operator calls it.
#include "tests/service/support.hpp"

#include <catch2/catch.hpp>

using namespace regroup;
using namespace regroup::test;
using namespace std::chrono_literals;

namespace {

struct Said {
  int status = -1;
  std::string text;
};

Said run(std::vector<std::string> arguments, const std::string& url,
         const std::string& key_file = {}, const Process::Environment& environment = {}) {
  arguments.insert(arguments.end(), {"--database.url", url, "--auth.jwt_algorithm",
                                     key_file.empty() ? "HS256" : "RS256"});
  if (key_file.empty())
    arguments.insert(arguments.end(), {"--auth.jwt_secret", std::string(40, 's')});
  else
    arguments.insert(arguments.end(), {"--auth.jwt_public_key_file", key_file});
  Process process{regroup_binary(), arguments, environment};
  const auto status = process.wait(60s);
  INFO(process.errors());
  REQUIRE(status);
  return {*status, process.output() + process.errors()};
}

std::string severity_of(const Said& said, const std::string& code) {
  const json report = json::parse(said.text);
  for (const auto& finding : report.at("findings"))
    if (finding.at("code") == code)
      return finding.at("severity").get<std::string>();
  return "";
}

} // namespace

TEST_CASE("doctor says a line for each finding, and its status is 1 when one is an error") {
  Postgres durable{{.settings = {}, .durable = true}};
  const auto url = durable.create_database();
  REQUIRE(run({"schema", "apply"}, url).status == 0);
  const auto sound = run({"doctor"}, url);
  CHECK(sound.status == 0);
  CHECK(sound.text.find("ok      lock/excludes: ") != std::string::npos);
  CHECK(sound.text.find("note    durability: ") != std::string::npos);

  const auto json_said = run({"doctor", "--json"}, url);
  CHECK(json::parse(json_said.text).at("healthy") == true);
  CHECK(severity_of(json_said, "keys/readable") == "ok");

  const auto no_key = run({"doctor", "--json"}, url, "/nowhere/key.pem");
  CHECK(no_key.status == 1);
  CHECK(severity_of(no_key, "keys/readable") == "error");
  CHECK(severity_of(no_key, "lock/excludes") == "ok");

  const auto late = run({"doctor", "--json"}, url, {}, {{"LD_PRELOAD", REGROUP_LATE_CLOCK}});
  CHECK(late.status == 1);
  CHECK(severity_of(late, "clock/skew") == "error");

  CHECK(run({"doctor", "--replicas", "many"}, url).status == 1);
}
