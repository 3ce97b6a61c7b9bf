// What `schema status` and `doctor --rehearse` find in the original backend's database.
#include "db/rehearsal.hpp"
#include "tests/db/adoption_support.hpp"

#include <catch2/catch.hpp>

namespace regroup::test {
namespace {

struct BesideFindings : AdoptionTest {
  BesideFindings() : AdoptionTest(original_backend_database(postgres(), original_people())) {}

  /// The rehearsal's findings that are not good, each as "code: what".
  Lines rehearsal_errors() const {
    Lines lines;
    for (const auto& each : db::rehearse(settings))
      if (each.severity != domain::Finding::Severity::good)
        lines.push_back(each.code + ": " + each.what);
    return lines;
  }
  std::string rows() {
    return sql.value<std::string>(
        "SELECT concat_ws(' ', (SELECT count(*) FROM users), (SELECT count(*) FROM devices), "
        "(SELECT count(*) FROM groups), (SELECT count(*) FROM migration_audit_logs), "
        "(SELECT count(*) FROM regroup_migration_events))");
  }
};

} // namespace

TEST_CASE_METHOD(BesideFindings,
                 "what runs on tables that Regroup writes is listed with its function") {
  const auto triggers = findings("schema/trigger");
  CHECK(triggers.size() == 5);
  CHECK(mentions(triggers,
                 "the trigger trg_check_group_owner on group_memberships (BEFORE DELETE OR "
                 "UPDATE) calls check_group_has_owner()"));
  CHECK(mentions(triggers,
                 "the trigger trigger_update_policy_device_count on devices (AFTER INSERT OR "
                 "DELETE OR UPDATE) calls update_policy_device_count()"));
  CHECK(mentions(triggers, "the trigger trg_groups_updated_at on groups (BEFORE UPDATE)"));
  CHECK(stop().empty());

  sql.exec("ALTER TABLE groups DISABLE TRIGGER trg_groups_updated_at; "
           "CREATE RULE keep AS ON DELETE TO devices DO INSTEAD NOTHING; "
           "CREATE POLICY mine ON groups USING (created_by IS NOT NULL)");
  CHECK_FALSE(mentions(findings("schema/trigger"), "trg_groups_updated_at"));
  CHECK(mentions(findings("schema/rule"),
                 "the rule keep on devices rewrites what Regroup writes there: "
                 "CREATE RULE keep AS"));
  CHECK(mentions(findings("schema/policy"),
                 "the policy mine on groups: USING (created_by IS NOT NULL)"));
}

TEST_CASE_METHOD(BesideFindings, "no index is built where another one does the same") {
  const auto lines = announced();
  for (const auto& [ours, theirs] : std::map<std::string, std::string>{
           {"regroup_devices_in_group", "idx_devices_group_id"},
           {"regroup_devices_of_owner", "idx_devices_owner_user_id"},
           {"regroup_memberships_in_group", "idx_device_group_memberships_group_id"},
           {"regroup_migration_of_group", "idx_migration_audit_auth_group"}}) {
    INFO(ours);
    CHECK_FALSE(mentions(lines, ours));
    CHECK(mentions(findings("schema/index"),
                   "the index " + theirs + " does what " + ours + " would"));
  }
  CHECK(mentions(lines, "builds the unique index regroup_one_success on migration_audit_logs "
                        "(registration_group_id) WHERE status = 'success'"));
  apply();
  CHECK(announced().empty());

  sql.exec(
      "DROP INDEX idx_devices_group_id; CREATE INDEX other ON devices (group_id) WHERE NOT active");
  CHECK(announced() ==
        Lines{"builds the index regroup_devices_in_group on devices (group_id) WHERE "
              "active"});
}

TEST_CASE_METHOD(BesideFindings,
                 "the printed remedy for duplicates runs, and their program reads its rows") {
  sql.exec(
      "INSERT INTO migration_audit_logs (user_id, registration_group_id, authenticated_group_id, "
      "created_at) SELECT created_by, 'lake', id, timestamptz '2020-02-01' + n * interval '1 day' "
      "FROM groups, generate_series(1, 2) n");
  const auto found = findings("schema/duplicates");
  REQUIRE(found.size() == 1);
  auto remedy = found[0].substr(found[0].find("UPDATE"));
  remedy = remedy.substr(0, remedy.find(';'));
  const auto second = sql.value<std::string>(
      "SELECT id FROM migration_audit_logs ORDER BY created_at DESC LIMIT 1");
  remedy.replace(remedy.find("…"), std::string{"…"}.size(), second);
  sql.exec(remedy); // before anything was applied
  CHECK(stop().empty());
  apply();
  CHECK(is_valid("regroup_one_success"));
  CHECK(sql.value<std::string>("SELECT string_agg(status::text, ' ' ORDER BY created_at) FROM "
                               "migration_audit_logs WHERE authenticated_group_id IS NOT NULL") ==
        "success failed");
}

TEST_CASE_METHOD(BesideFindings, "a rehearsal passes their triggers and leaves no row") {
  apply();
  const auto before = rows();
  CHECK(rehearsal_errors() == Lines{});
  CHECK(db::rehearse(settings).size() == 6);
  CHECK(rows() == before);

  auto limited = settings;
  limited.url = granted_role_url(url);
  for (const auto& each : db::rehearse(limited)) {
    INFO(each.what);
    CHECK(each.severity == domain::Finding::Severity::good);
  }
  CHECK(rows() == before);
}

TEST_CASE_METHOD(BesideFindings, "a rehearsal says what would fail, and why") {
  CHECK(mentions(rehearsal_errors(),
                 "rehearsal/register: registering a device fails: 42883")); // nothing applied
  apply();
  sql.exec("CREATE FUNCTION enough() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION "
           "'no more devices here' USING ERRCODE = 'P0042'; END $$; "
           "CREATE CONSTRAINT TRIGGER no_more AFTER INSERT ON device_group_memberships DEFERRABLE "
           "INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION enough()");
  const auto before = rows();
  CHECK(rehearsal_errors() ==
        Lines{"rehearsal/migrate: a migration fails: P0042, in enough() (the trigger no_more on "
              "device_group_memberships): no more devices here"});
  sql.exec("DROP TRIGGER no_more ON device_group_memberships; "
           "ALTER TABLE groups ADD CONSTRAINT no_rehearsals CHECK (name NOT LIKE '%again')");
  CHECK(mentions(rehearsal_errors(),
                 "rehearsal/partial: a migration of some devices fails: 23514, the "
                 "constraint no_rehearsals of groups"));
  CHECK(rows() == before);
}

} // namespace regroup::test
