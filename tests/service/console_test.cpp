// The console in a real Chromium: tests/browser/console.mjs looks, and this is the world it looks
// at.
#include "tests/service/admin_support.hpp"
#include "tests/support/process.hpp"

#include <catch2/catch.hpp>

#include <filesystem>
#include <optional>

using namespace regroup;
using namespace regroup::test;
using namespace std::chrono_literals;

namespace {

Service::Options patient() {
  Service::Options options;
  options.settings = {{"database.lock_timeout", "60s"},
                      {"database.statement_timeout", "60s"},
                      {"migration.async_after", "20s"}};
  return options;
}

/// A week of what a service with some bad hours would have on record.
void add_past(World& world) {
  world.sql.exec(
      "INSERT INTO migration_audit_logs (id, user_id, registration_group_id, "
      "  authenticated_group_id, devices_migrated, device_ids, status, error_code, error_message, "
      "  duration_ms, group_name, group_slug, created_at, rolled_back_at) "
      "SELECT gen_random_uuid(), md5('user' || n % 40)::uuid, "
      "  (ARRAY['camping', 'lake', 'hut', 'regatta', 'choir'])[n % 5 + 1] || '-' || n, "
      "  gen_random_uuid(), 2 + (n * 7) % 19, '{}', "
      "  (CASE WHEN n % 41 = 0 OR n % 29 = 0 THEN 'failed' "
      "   WHEN n % 11 = 0 THEN 'partial' ELSE 'success' END)::migration_status, "
      "  CASE WHEN n % 41 = 0 THEN CASE WHEN n % 3 = 0 THEN 'server/internal' "
      "    ELSE 'server/database-unavailable' END END, "
      "  CASE WHEN n % 41 = 0 THEN 'The database could not complete the migration' END, "
      "  6 + (n * 13) % 37 + CASE WHEN n % 23 = 0 THEN 140 ELSE 0 END, "
      "  'Group ' || n, 'group-' || n, "
      "  now() - interval '7 days' + n * interval '25 minutes' "
      "    + (n % 7) * interval '3 minutes', CASE WHEN n % 29 = 0 AND n % 41 > 0 THEN now() END "
      "FROM generate_series(1, 400) AS n");
}

} // namespace

TEST_CASE("a person signs in at the console, watches a migration, and finds it in the history") {
  AdminServiceTest test{patient()};
  add_past(test.world);
  const unsigned port = test.service.port();
  const auto user = test.world.add_user();
  Process browser{
      "node",
      {(std::filesystem::path{REGROUP_SOURCE_DIR} / "tests/browser/console.mjs").string()},
      {{"CONSOLE_URL", "http://127.0.0.1:" + std::to_string(port)},
       {"CONSOLE_KEY", test.admin_key},
       {"CONSOLE_DEVICE_KEY", test.device_key},
       {"CONSOLE_GROUP", "camping-2025"},
       {"CONSOLE_REPLICA", ":" + std::to_string(port)},
       {"CONSOLE_PICTURES", REGROUP_PICTURES}}};

  std::optional<HeldTransaction> holding;
  std::vector<std::future<Answered>> migrations;
  const std::map<std::string, std::function<void()>> wishes{
      {"hold",
       [&] {
         const std::string group = migrations.empty() ? "camping-2025" : "camping-2026";
         const auto devices = test.world.add_devices(group, 5, user);
         holding.emplace(test.service.database_url());
         holding->exec("SET application_name = 'nightly-cleanup'");
         holding->exec("SELECT FROM devices WHERE device_id = $1 FOR UPDATE", devices[2].text());
         migrations.push_back(test.asking_now(port, user, AdminServiceTest::body(group)));
       }},
      {"release", [&] { holding.reset(); }},
      {"database-down", [&] { test.service.postgres().kill9_all(); }},
      {"database-up", [&] { test.service.postgres().restart(); }},
  };
  std::size_t heard = 0;
  const auto do_what_it_asks = [&] {
    const std::string output = browser.output();
    for (auto end = output.find('\n', heard); end != std::string::npos;
         end = output.find('\n', heard)) {
      const auto wish = wishes.find(output.substr(heard, end - heard));
      heard = end + 1;
      if (wish != wishes.end())
        wish->second();
    }
  };
  const bool ended = eventually(
      [&] {
        do_what_it_asks();
        return browser.wait(0ms).has_value();
      },
      180s);
  holding.reset();
  INFO(browser.output() << browser.errors() << test.service.replica().log());
  REQUIRE(ended);
  CHECK(browser.wait(0ms) == 0);
  REQUIRE(migrations.size() == 2);
  CHECK(status_of(migrations[0].get()) == 201);
  CHECK(code_of(migrations[1].get()) == "migration/cancelled");
}
