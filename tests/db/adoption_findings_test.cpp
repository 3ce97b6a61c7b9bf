// What stands in the way of an adoption is named with its remedy, and nothing is changed.
#include "tests/db/adoption_support.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace regroup;
using namespace regroup::test;
using domain::Finding;
using domain::Refused;
using Severity = Finding::Severity;

TEST_CASE_METHOD(AdoptionTest, "a column of another type stops the start by its name") {
  const auto [change, named] = GENERATE(table<std::string, std::string>({
      {"devices ALTER COLUMN group_id TYPE integer USING 1", "devices.group_id is integer"},
      {"devices ALTER COLUMN active TYPE text, ALTER COLUMN active DROP DEFAULT",
       "devices.active is text"},
      {"devices ALTER COLUMN last_seen_at TYPE timestamp", "devices.last_seen_at is timestamp"},
      {"migration_audit_logs ALTER COLUMN registration_group_id TYPE integer USING 1",
       "migration_audit_logs.registration_group_id is integer"},
      {"migration_audit_logs ALTER COLUMN status TYPE text", "migration_audit_logs.status is text"},
      {"migration_audit_logs ALTER COLUMN device_ids TYPE text[] USING '{}'",
       "migration_audit_logs.device_ids is text[]"},
      {"groups ALTER COLUMN settings TYPE json, ALTER COLUMN settings DROP DEFAULT",
       "groups.settings is json,"},
      {"groups ALTER COLUMN name TYPE varchar(30)", "groups.name is character varying(30)"},
      {"group_memberships ALTER COLUMN role TYPE text, ALTER COLUMN role DROP DEFAULT",
       "group_memberships.role is text"},
  }));
  INFO(change);
  sql.exec("DROP TRIGGER devices_history ON devices; ALTER TABLE " + change);
  const auto before = schema_dump(url);
  CHECK_THAT(stop(), Catch::Contains(named) && Catch::Contains(" -> "));
  CHECK_THROWS_WITH(apply(), Catch::Contains(named));
  CHECK((schema_dump(url) == before)); // too long to be printed
}

TEST_CASE_METHOD(AdoptionTest,
                 "a column that Regroup cannot fill stops the start, but for a trigger") {
  sql.exec("ALTER TABLE groups ADD COLUMN tenant text NOT NULL DEFAULT 'x'; "
           "ALTER TABLE groups ALTER COLUMN tenant DROP DEFAULT");
  CHECK_THAT(stop(), Catch::Contains("groups.tenant is NOT NULL without a default"));
  sql.exec("CREATE FUNCTION tenant() RETURNS trigger LANGUAGE plpgsql AS "
           "$$ BEGIN NEW.tenant := 'one'; RETURN NEW; END $$; CREATE TRIGGER tenant BEFORE INSERT "
           "ON groups FOR EACH ROW EXECUTE FUNCTION tenant()");
  CHECK(stop().empty());
  CHECK(mentions(findings("schema/no-default"), "it is left to the table's BEFORE INSERT trigger"));
  apply();
  CHECK(completed(migrate(command(user_with_devices("camping-2025", 3), "camping-2025"))));
}

TEST_CASE_METHOD(AdoptionTest,
                 "CHECKs and keys of the backend's own that stand in the way are named") {
  struct Wall {
    std::string sql;
    Severity severity;
    std::string named;
  };
  const auto wall = GENERATE(values<Wall>({
      {"ALTER TABLE migration_audit_logs ADD CONSTRAINT positive CHECK (status <> 'failed' OR "
       "devices_migrated = 0)",
       Severity::warning, "the CHECK positive of migration_audit_logs refuses the row of a"},
      {"ALTER TABLE migration_audit_logs ADD CONSTRAINT known CHECK (status <> 'success' OR "
       "client_version IS NOT NULL)",
       Severity::error, "the CHECK known of migration_audit_logs refuses every migration's row"},
      {"ALTER TABLE groups ADD CONSTRAINT plain CHECK (slug ~ '^[a-z0-9-]+$')", Severity::warning,
       "the CHECK plain of groups refuses letters beyond a to z"},
      {"ALTER TABLE groups ADD CONSTRAINT shout CHECK (name = upper(name)) NOT VALID",
       Severity::error, "the CHECK shout of groups refuses every migration's group"},
      {"CREATE UNIQUE INDEX once ON migration_audit_logs (registration_group_id)", Severity::error,
       "the unique index once on migration_audit_logs (registration_group_id)"},
      {"CREATE UNIQUE INDEX single ON device_group_memberships (device_id)", Severity::warning,
       "the unique index single on device_group_memberships (device_id)"},
      {"ALTER TABLE devices ENABLE ROW LEVEL SECURITY", Severity::warning,
       "row level security is on for devices"},
      {"ALTER TABLE devices ALTER COLUMN fcm_token SET NOT NULL", Severity::warning,
       "devices.fcm_token is NOT NULL"},
      {"ALTER TABLE devices ADD COLUMN tenant text NOT NULL DEFAULT 'x'; "
       "ALTER TABLE devices ALTER COLUMN tenant DROP DEFAULT",
       Severity::warning, "no phone can register through Regroup"},
      {"ALTER TABLE devices ALTER COLUMN platform TYPE varchar(7)", Severity::warning,
       "devices.platform is character varying(7), and must take 20 characters"},
      {"ALTER TABLE migration_audit_logs ALTER COLUMN registration_group_id TYPE varchar(49)",
       Severity::error, "migration_audit_logs.registration_group_id is character varying(49)"},
      {"CREATE UNIQUE INDEX lone ON group_memberships (user_id)", Severity::warning,
       "the unique index lone on group_memberships (user_id)"},
      {"CREATE INDEX regroup_one_success ON devices (platform)", Severity::error,
       "the index regroup_one_success is another one than Regroup's"},
      {"ALTER TABLE migration_audit_logs DROP CONSTRAINT migration_audit_logs_pkey, "
       "ADD PRIMARY KEY (id, client_version)",
       Severity::error, "migration_audit_logs.client_version is NOT NULL without a default"},
      {"ALTER TABLE device_group_memberships ADD CONSTRAINT theirs FOREIGN KEY (device_id) "
       "REFERENCES devices (device_id)",
       Severity::note, "the foreign key theirs of device_group_memberships does not cascade"},
      {"ALTER TABLE migration_audit_logs ADD CONSTRAINT gone FOREIGN KEY (authenticated_group_id) "
       "REFERENCES groups (id) ON DELETE CASCADE",
       Severity::note, "the foreign key gone deletes audit rows with what they name"},
      {"ALTER TABLE device_group_memberships RENAME TO kept; CREATE VIEW device_group_memberships "
       "AS SELECT * FROM kept",
       Severity::error, "device_group_memberships is no ordinary table"},
      {"ALTER TYPE migration_status RENAME TO kept; CREATE DOMAIN migration_status AS text",
       Severity::error, "the type migration_status is no enum"},
  }));
  INFO(wall.sql);
  sql.exec("UPDATE devices SET fcm_token = 't'; " + wall.sql);
  const auto found = db::inspect_schema(settings).findings;
  const auto named = std::find_if(found.begin(), found.end(), [&](const Finding& each) {
    return each.what.find(wall.named) != each.what.npos;
  });
  REQUIRE(named != found.end());
  CHECK(named->severity == wall.severity);
  CHECK(named->remedy.empty() == (wall.severity == Severity::note));
  CHECK(stop().empty() == (wall.severity != Severity::error));
}

TEST_CASE_METHOD(AdoptionTest, "what stands in nobody's way is not named") {
  sql.exec("CREATE EXTENSION citext; ALTER TABLE users ALTER COLUMN email TYPE citext");
  sql.exec("ALTER TABLE migration_audit_logs ALTER COLUMN registration_group_id TYPE varchar(50)");
  sql.exec("ALTER TABLE groups ADD COLUMN shout text GENERATED ALWAYS AS (upper(name)) STORED");
  sql.exec("ALTER TABLE groups ADD CONSTRAINT computed CHECK (shout = 'never') NOT VALID");
  sql.exec("CREATE UNIQUE INDEX one_failure ON migration_audit_logs (registration_group_id) "
           "WHERE status = 'failed' AND client_version = '1'");
  CHECK(stop().empty());
  for (const auto* code : {"schema/column-type", "schema/column-width", "schema/check",
                           "schema/key", "schema/not-null", "schema/no-default"}) {
    INFO(code);
    CHECK(findings(code) == Lines{});
  }
}

TEST_CASE_METHOD(AdoptionTest,
                 "a foreign key that sets a NOT NULL column to NULL is named with its remedy") {
  const auto named = findings("schema/set-null");
  REQUIRE(named.size() == 2);
  CHECK(mentions(named, "migration_audit_logs_user_id_fkey sets migration_audit_logs.user_id"));
  CHECK(mentions(named, "migration_audit_logs_authenticated_group_id_fkey sets"));
  CHECK(stop().empty());
}

TEST_CASE_METHOD(AdoptionTest,
                 "memberships of devices that are gone are told, and the key validated later") {
  const auto key = [&] {
    return sql.value<std::string>("SELECT coalesce(max(CASE WHEN convalidated THEN 'valid' ELSE "
                                  "'for new rows' END), 'none') FROM pg_constraint WHERE conname = "
                                  "'regroup_fk_device_group_memberships_device_id'");
  };
  const auto orphan = domain::Uuid::random().text();
  sql.exec("INSERT INTO device_group_memberships (device_id, group_id) SELECT $1, id FROM groups",
           orphan);
  CHECK(mentions(findings("schema/orphans"), "1 row of device_group_memberships"));
  CHECK(mentions(findings("schema/orphans"), orphan));
  CHECK(stop().empty());
  CHECK_FALSE(mentions(announced(), "validates the foreign key"));
  apply();
  CHECK(key() == "for new rows");
  CHECK(log.has("schema.warning schema/orphans"));
  CHECK_THROWS_AS(sql.exec("INSERT INTO device_group_memberships (device_id, group_id) "
                           "SELECT gen_random_uuid(), id FROM groups"),
                  pqxx::foreign_key_violation);
  CHECK(announced() == Lines{}); // as long as the orphan is there
  CHECK(findings("schema/orphans").size() == 1);

  sql.exec("DELETE FROM device_group_memberships WHERE device_id = $1", orphan);
  CHECK(announced().size() == 1);
  CHECK(mentions(announced(), "validates the foreign key"));
  apply();
  CHECK(key() == "valid");
  CHECK(announced() == Lines{});
}

TEST_CASE_METHOD(AdoptionTest, "rows that a key forbids are named, and nothing is changed") {
  sql.exec("ALTER TABLE groups DROP CONSTRAINT groups_slug_key; "
           "INSERT INTO groups (name, slug, is_active, created_by) "
           "SELECT 'Lake again', slug, true, created_by FROM groups");
  const auto before = schema_dump(url);
  CHECK_THROWS_WITH(apply(), Catch::Contains("groups has rows with the same (slug): lake"));
  CHECK((schema_dump(url) == before)); // too long to be printed
}

TEST_CASE_METHOD(AdoptionTest,
                 "registration groups that were migrated twice are listed with their groups") {
  sql.exec(
      "INSERT INTO groups (id, name, slug, is_active, created_by) SELECT "
      "'00000000-0000-4000-a000-000000000002', 'Lake 2', 'lake-2', true, created_by FROM groups");
  sql.exec("INSERT INTO migration_audit_logs (user_id, registration_group_id, "
           "authenticated_group_id, devices_migrated, device_ids, status) SELECT user_id, "
           "registration_group_id, '00000000-0000-4000-a000-000000000002', 0, '{}', status "
           "FROM migration_audit_logs");
  const auto named = findings("schema/duplicates");
  REQUIRE(named.size() == 1);
  CHECK_THAT(named.front(), Catch::Contains("lake-2024 was migrated 2 times") &&
                                Catch::Contains("00000000-0000-4000-a000-000000000001") &&
                                Catch::Contains("00000000-0000-4000-a000-000000000002") &&
                                Catch::Contains("database.allow_recorded_duplicates"));
  const auto before = schema_dump(url);
  CHECK_THROWS_WITH(apply(), Catch::Contains("lake-2024 was migrated 2 times"));
  CHECK((schema_dump(url) == before)); // too long to be printed

  settings.allow_recorded_duplicates = true;
  CHECK(stop().empty());
  CHECK_FALSE(mentions(announced(), "regroup_one_success"));
  apply();
  CHECK(log.has("schema.duplicates_allowed"));
  CHECK(sql.value<bool>("SELECT to_regclass('regroup_one_success') IS NULL"));
  CHECK(refused(migrate(command(user_with_devices("hill", 1), "lake-2024"))) ==
        Refused::already_migrated);
  CHECK(completed(migrate(command(user_with_devices("camping-2025", 3), "camping-2025"))));

  settings.allow_recorded_duplicates = false;
  sql.exec("UPDATE migration_audit_logs SET status = 'failed' "
           "WHERE authenticated_group_id = '00000000-0000-4000-a000-000000000002'");
  CHECK(apply().size() == 1);
  CHECK(is_valid("regroup_one_success"));
}

TEST_CASE_METHOD(AdoptionTest,
                 "of many registration groups that were migrated twice ten are named") {
  sql.exec("INSERT INTO migration_audit_logs (user_id, registration_group_id, "
           "authenticated_group_id, devices_migrated, device_ids, status) "
           "SELECT user_id, 'hut-' || n, authenticated_group_id, 0, '{}', status "
           "FROM migration_audit_logs, generate_series(1, 11) n, generate_series(1, 2)");
  const auto named = findings("schema/duplicates");
  CHECK(named.size() == 11);
  CHECK(mentions(named, "11 registration groups in all were migrated more than once"));
}
