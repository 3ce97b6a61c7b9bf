// Every table of Regroup's own begins with regroup_: an installation of before that is carried
// over, and another program's tables are left alone, under the old names and the new.
#include "db/adoption/inspection.hpp"
#include "tests/db/adoption_support.hpp"

#include <catch2/catch.hpp>

using namespace regroup;
using namespace regroup::test;

namespace {

struct OwnNamesTest {
  explicit OwnNamesTest(std::string its_url) : url{std::move(its_url)}, sql{url} {
    settings.url = url;
  }
  Lines apply() { return db::apply_schema(settings, log); }
  Lines findings(const std::string& code) const {
    Lines lines;
    for (const auto& each : db::inspect_schema(settings).findings)
      if (each.code == code)
        lines.push_back(each.what + " -> " + each.remedy);
    return lines;
  }
  bool there(const std::string& name) {
    return sql.value<bool>("SELECT to_regclass($1) IS NOT NULL", name);
  }
  /// What a table is and holds, with the transaction that wrote each row.
  std::string snapshot(const std::string& table) {
    return sql.value<std::string>(
        "SELECT (SELECT string_agg(attname || ' ' || atttypid::regtype, ', ' ORDER BY attnum) "
        "FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0) || "
        "coalesce((SELECT string_agg(t.xmin || ' ' || t, ', ') FROM " +
            table + " t), '')",
        table);
  }

  std::string url;
  config::Settings::Database settings;
  RememberingLog log;
  Sql sql;
};

constexpr const char* kRows =
    "INSERT INTO webhook_endpoints (id, url, secret) VALUES "
    "('00000000-0000-0000-0000-000000000001', 'https://x', 's');"
    "INSERT INTO migration_events (endpoint_id, type, migration_id, registration_group_id) "
    "SELECT id, 'migration.completed', gen_random_uuid(), 'camping-2025' FROM webhook_endpoints";

/// Of a backend that posts to its billing partner.
constexpr const char* kForeign =
    "CREATE TABLE webhook_endpoints (id uuid PRIMARY KEY, url text NOT NULL, secret text NOT NULL, "
    "topic text NOT NULL DEFAULT 'billing', is_active boolean NOT NULL DEFAULT true, "
    "created_at timestamptz NOT NULL DEFAULT now());"
    "INSERT INTO webhook_endpoints (id, url, secret) VALUES "
    "(gen_random_uuid(), 'https://billing.example.com', 'theirs');"
    "CREATE TABLE migration_events (id serial PRIMARY KEY, migration text, applied boolean);"
    "INSERT INTO migration_events (migration) VALUES ('0001_init')";

/// What a version before this one did with it, and with one that has all columns that it looked
/// for.
constexpr const char* kTaken =
    "ALTER TABLE webhook_endpoints ADD COLUMN failures integer DEFAULT 0 NOT NULL, "
    "ADD COLUMN open_until timestamptz, ADD COLUMN last_success_at timestamptz, "
    "ADD COLUMN last_failure_at timestamptz, ADD COLUMN last_error text;"
    "CREATE INDEX regroup_active_endpoints ON webhook_endpoints (id) WHERE is_active;";

} // namespace

TEST_CASE("an installation whose tables had no prefix is carried over with its rows") {
  OwnNamesTest test{unprefixed_database(postgres(), kRows)};
  // Later steps add columns; a row that is not written again keeps the transaction that wrote it.
  const auto endpoints = [&](const std::string& table) {
    return test.sql.value<std::string>("SELECT xmin || ' ' || id || url || secret FROM " + table);
  };
  const auto events = [&](const std::string& table) {
    return test.sql.value<std::string>("SELECT xmin || ' ' || id || type || migration_id FROM " +
                                       table);
  };
  const auto endpoint = endpoints("webhook_endpoints");
  const auto event = events("migration_events");
  const auto made = test.apply();
  REQUIRE(made.size() > 4);
  CHECK(Lines{made.begin(), made.begin() + 4} ==
        Lines{"renames the table webhook_endpoints to regroup_webhook_endpoints",
              "renames the index regroup_active_endpoints to regroup_webhook_endpoints_active",
              "renames the table migration_events to regroup_migration_events",
              "renames the index regroup_events_of_group to regroup_migration_events_of_group"});
  CHECK_FALSE(mentions(made, "creates the table regroup_webhook"));
  CHECK_FALSE(mentions(made, "creates the table regroup_migration_events"));
  CHECK_FALSE(test.there("webhook_endpoints"));
  CHECK_FALSE(test.there("migration_events"));
  CHECK(endpoints("regroup_webhook_endpoints") == endpoint);
  CHECK(events("regroup_migration_events") == event);
  CHECK(test.sql.value<int>("SELECT count(*) FROM regroup_claim_events_v1('{}', interval '1 s')") ==
        1);
  CHECK(test.apply().empty());
  CHECK(db::inspect_schema(test.settings).findings.empty());
}

TEST_CASE("another program's tables of the old names are neither changed nor read") {
  AdoptionTest adopted;
  OwnNamesTest test{adopted.url};
  test.sql.exec(kForeign);
  const auto endpoints = test.snapshot("webhook_endpoints");
  const auto events = test.snapshot("migration_events");
  test.apply();
  CHECK(test.apply().empty());
  CHECK(test.findings("schema/left-alone").empty());
  const auto user = adopted.user_with_devices("camping-2025", 2);
  REQUIRE(completed(adopted.migrate(adopted.command(user, "camping-2025"))));
  CHECK(test.sql.value<int>("SELECT count(*) FROM regroup_migration_events") == 0); // for whom?
  CHECK(test.snapshot("webhook_endpoints") == endpoints);
  CHECK(test.snapshot("migration_events") == events);
  CHECK(test.sql.value<std::string>("SELECT regroup_webhooks_json()::text") == "[]");
}

TEST_CASE("another program's table that a version before this one used is left, and is reported") {
  const bool has_columns_of_its_own = GENERATE(true, false);
  OwnNamesTest test{unprefixed_database(
      postgres(),
      std::string{"DROP TABLE webhook_endpoints, migration_events;"} + kForeign + ";" + kTaken)};
  if (!has_columns_of_its_own)
    test.sql.exec("ALTER TABLE webhook_endpoints DROP COLUMN topic");
  const auto endpoints = test.snapshot("webhook_endpoints");
  CHECK(mentions(test.apply(), "creates the table regroup_webhook_endpoints"));
  CHECK(test.apply().empty());
  CHECK(test.snapshot("webhook_endpoints") == endpoints);
  CHECK(test.sql.value<std::string>("SELECT regroup_webhooks_json()::text") == "[]");
  REQUIRE(test.findings("schema/left-alone").size() == 1);
  CHECK(mentions(test.findings("schema/left-alone"), "webhook_endpoints has the index"));
  CHECK(test.log.has("schema.warning schema/left-alone"));
  test.sql.exec("DROP INDEX regroup_active_endpoints");
  CHECK(test.findings("schema/left-alone").empty());
}

TEST_CASE("a table that bears a name of Regroup's and is another program's stops the start") {
  const std::string name =
      GENERATE("regroup_running", "regroup_webhook_endpoints", "regroup_schema");
  OwnNamesTest test{phone_manager_database(
      postgres(), "CREATE TABLE " + name + " (id uuid PRIMARY KEY, topic text NOT NULL)")};
  const auto before = test.snapshot(name);
  REQUIRE(test.findings("schema/foreign-table").size() == 1);
  CHECK(mentions(test.findings("schema/foreign-table"), "the table " + name + " is there"));
  CHECK_THROWS_WITH(test.apply(), Catch::Contains(name));
  CHECK(test.snapshot(name) == before);
}
