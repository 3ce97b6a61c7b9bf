// The backend's own columns and CHECKs are as wide as they are: Regroup keeps within.
#include "tests/db/adoption_support.hpp"

#include <catch2/catch.hpp>

#include <cstdint>
#include <limits>

using namespace regroup;
using namespace regroup::test;
using domain::Refused;

TEST_CASE_METHOD(AdoptionTest, "a slug is as long as devices.group_id takes, and is taken once") {
  apply();
  const std::string common(60, 'x');
  const auto answer = migrate(command(user_with_devices("first", 1), "first", common + " one"));
  REQUIRE(completed(answer));
  CHECK(completed(answer)->slug == std::string(50, 'x'));
  CHECK(count("devices d JOIN groups g ON g.slug = d.group_id WHERE g.slug = repeat('x', 50)") ==
        1);
  const auto second = user_with_devices("second", 1);
  CHECK(refused(migrate(command(second, "second", common + " two"))) == Refused::group_name_exists);
  CHECK(count("devices WHERE group_id = 'second'") == 1);
  CHECK(completed(migrate(command(second, "second", "Another"))));
}

TEST_CASE_METHOD(AdoptionTest,
                 "a phone whose registration group is too long for the column is told so") {
  apply();
  domain::RegisterDevice phone;
  phone.device_id = domain::Uuid::random();
  phone.display_name = "phone";
  phone.registration_group_id = std::string(51, 'g');
  phone.platform = "ios";
  TestStore store{settings, db::read_schema_facts(settings), log, metrics};
  const auto answer = store.execute(phone);
  REQUIRE(refused(answer) == Refused::invalid_request);
  CHECK(answer.get<domain::Refusal>().fields.at(0).field == "group_id");
}

TEST_CASE_METHOD(AdoptionTest,
                 "groups.max_devices is what its CHECK lets in, and beyond it is too many") {
  apply();
  const auto asked = [&](const std::string& group, std::size_t devices) {
    auto what = command(user_with_devices(group, devices), group);
    what.max_devices = 1000; // limits.max_devices_per_group
    return migrate(what);
  };
  const auto max_devices = [&](const std::string& slug) {
    return sql.value<int>("SELECT max_devices FROM groups WHERE slug = $1", slug);
  };
  REQUIRE(completed(asked("few", 3)));
  CHECK(max_devices("few") == 20);
  REQUIRE(completed(asked("hundred", 100)));
  CHECK(max_devices("hundred") == 100);
  const auto answer = asked("more", 101);
  REQUIRE(refused(answer) == Refused::too_many_devices);
  CHECK(answer.get<domain::Refusal>().device_count == 101);
  CHECK(answer.get<domain::Refusal>().limit == 100);
  CHECK(count("migration_audit_logs WHERE status = 'failed'") == 0);
}

TEST_CASE_METHOD(AdoptionTest, "the CHECK of groups.max_devices may be written in any way") {
  struct Written {
    std::string sql;
    int preset;
    std::int64_t most;
  };
  const auto most = std::numeric_limits<std::int32_t>::max();
  const auto written = GENERATE_COPY(values<Written>({
      {"CHECK (max_devices BETWEEN 1 AND 25)", 20, 25},
      {"CHECK (max_devices = ANY ('{5,20,21,50}'))", 20, 21},
      {"CHECK (NOT (max_devices > 30 OR max_devices < 0))", 20, 30},
      {"CHECK (max_devices < 41 OR settings ? 'large')", 20, 40},
      {"CHECK (max_devices < 41 OR slug = 'never-seen')", 20, most}, // NULL lets it in: so it seems
      {"CHECK (max_devices > 0)", 20, most},
      {"CHECK (max_devices <= 60), ADD CHECK (max_devices <= 40)", 20, 40},
      {"CHECK (max_devices <= 10), ALTER COLUMN max_devices DROP DEFAULT", 1, 10},
      {"CHECK (true), ALTER COLUMN max_devices SET DEFAULT 10 + 5", 15, most},
      {"CHECK (true), ALTER COLUMN max_devices TYPE smallint", 20, 32767},
  }));
  INFO(written.sql);
  sql.exec("UPDATE groups SET max_devices = 5; "
           "ALTER TABLE groups DROP CONSTRAINT groups_max_devices_check; ALTER TABLE groups ADD " +
           written.sql);
  const auto facts = db::read_schema_facts(settings);
  CHECK(facts.default_max_devices == written.preset);
  CHECK(facts.most_devices == written.most);
}

TEST_CASE_METHOD(AdoptionTest, "the CHECK of groups.max_devices may be a domain's") {
  sql.exec("CREATE DOMAIN device_count AS integer DEFAULT 7 CHECK (VALUE > 0 AND VALUE < 51); "
           "ALTER TABLE groups ALTER COLUMN max_devices DROP DEFAULT, "
           "ALTER COLUMN max_devices TYPE device_count");
  CHECK(stop().empty());
  CHECK(db::read_schema_facts(settings).most_devices == 50);
}

TEST_CASE_METHOD(AdoptionTest, "text and varchar, integer and bigint are not another type") {
  sql.exec("DROP TRIGGER devices_history ON devices; "
           "ALTER TABLE devices ALTER COLUMN group_id TYPE text, ALTER COLUMN fcm_token TYPE "
           "varchar(4096); ALTER TABLE migration_audit_logs ALTER COLUMN devices_migrated TYPE "
           "bigint, ALTER COLUMN error_message TYPE varchar(255)");
  apply();
  CHECK(db::read_schema_facts(settings).slug_width == 120);
  CHECK(completed(migrate(command(user_with_devices("camping-2025", 3), "camping-2025"))));
}
