// Pages whose lines a test runs: what they say they print is what comes.
#include "tests/service/admin_support.hpp"
#include "tests/support/process.hpp"
#include "tests/support/temp_folder.hpp"

#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

using namespace regroup;
using namespace regroup::test;
using namespace std::chrono_literals;

namespace {

/// The code blocks of a page, one after the other: those with `tag` after the fence.
std::string blocks(const std::string& page, const std::string& tag) {
  std::ifstream file{std::filesystem::path{REGROUP_SOURCE_DIR} / page};
  std::string text, inside;
  bool is_open = false;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("```")) {
      is_open = !is_open;
      inside = line.substr(3);
    } else if (is_open && inside == tag) {
      text += line + "\n";
    }
  }
  return text;
}

std::string token_of(const domain::Uuid& user) {
  return bearer(user).find("Authorization")->second.substr(std::string{"Bearer "}.size());
}

} // namespace

TEST_CASE("the page of a first migration prints what it says, from top to bottom") {
  AdminServiceTest test;
  const TempFolder folder;
  const auto script =
      "cd '" + folder.path().string() + "'\nset -eu\n" + blocks("docs/first-migration.md", "sh");
  Process shell{"bash",
                {"-c", script},
                {{"REGROUP", "http://127.0.0.1:" + std::to_string(test.service.port())},
                 {"TOKEN", token_of(test.world.add_user())},
                 {"API_KEY", test.device_key}}};
  CHECK(shell.wait(60s) == 0);
  INFO(shell.errors());
  CHECK(shell.output() == blocks("docs/first-migration.md", ""));
  CHECK(std::count(script.begin(), script.end(), '\n') > 30);
}

TEST_CASE("the curl line of each route runs, and is answered as the route is documented") {
  AdminServiceTest test;
  const auto user = test.world.add_user();
  test.world.add_devices("camping-2025", 3, user);
  const auto document = json::parse(test.service.client().get("/api/openapi.json")->body);
  const std::string somebody = "01a20f43-4d0d-7a2c-b484-8920b1cc3284";
  for (const auto& [path, item] : document.at("paths").items())
    for (const auto& [method, operation] : item.items()) {
      const auto line = operation.at("x-codeSamples").at(0).at("source").get<std::string>();
      INFO(line);
      // A stream of events goes on: a second of it will do.
      Process shell{"bash",
                    {"-c", "curl() { command curl -sS -m 1 -o /dev/null -w '%{http_code}' \"$@\" "
                           "|| test $? = 28; }\n" +
                               line},
                    {{"REGROUP", "http://127.0.0.1:" + std::to_string(test.service.port())},
                     {"TOKEN", token_of(user)},
                     {"API_KEY", test.admin_key},
                     {"MIGRATION_ID", somebody},
                     {"OPERATION_ID", somebody},
                     {"GROUP_ID", somebody},
                     {"DEVICE_ID", somebody},
                     {"WEBHOOK_ID", somebody},
                     {"KEY_ID", "999"},
                     {"FILE", "nothing.js"}}};
      CHECK(shell.wait(30s) == 0);
      const auto status = shell.output();
      INFO(status << shell.errors());
      CHECK(operation.at("responses").contains(status));
      CHECK((status != "400" && status != "401" && status != "405" && status != "415"));
    }
}
