// What Regroup writes where the original backend reads, and what it makes of what the original
// wrote.
#include "tests/db/beside_support.hpp"

#include <catch2/catch.hpp>

using namespace regroup;
using namespace regroup::test;
using Action = domain::ChangeGroupDevices::Action;
using domain::Refused;

TEST_CASE_METHOD(OriginalTest, "an undo deactivates the group, whose owner a trigger guards") {
  const auto devices = phones("camping", 3);
  const auto done = migrated(command("camping", ada, "Campers"));
  auto undo = std::make_shared<domain::UndoCommand>(undo_of(done, ada, "camping"));
  const auto answer = new_store()->execute(domain::UndoPtr{undo});
  REQUIRE(is<domain::MigrationUndone>(answer));
  CHECK(world->devices_in("camping") == 3);
  CHECK(world->memberships() == 0);
  CHECK_FALSE(world->sql.value<bool>("SELECT is_active FROM groups"));
  CHECK(world->sql.value<int>("SELECT count(*) FROM group_memberships WHERE role = 'owner'") == 1);
  CHECK(world->audits("rolled_back") == 1);
  CHECK(world->sql.value<std::string>("SELECT status FROM migration_audit_logs") == "failed");
  their_program_reads_the_audit();

  // Its name is free, and its own migrate may run as well as ours.
  CHECK(world->sql.value<int>("SELECT count(*) FROM groups WHERE slug = 'campers'") == 0);
  CHECK(world->sql.value<int>("SELECT count(*) FROM migration_audit_logs "
                              "WHERE registration_group_id = 'camping' AND status = 'success'") ==
        0);
  const auto again = migrated(command("camping", ada, "Campers"));
  CHECK(again.slug == "campers");
  CHECK(again.device_ids == devices);
}

TEST_CASE_METHOD(OriginalTest, "what failed is in no table of theirs, and in the history") {
  phones("camping", 3);
  world->raise_at_device(2);
  const auto what = command("camping", ada);
  CHECK(refused(migrate(what)) == Refused::internal);
  world->raise_no_more();
  CHECK(world->sql.value<int>("SELECT count(*) FROM migration_audit_logs") == 0);
  CHECK(world->audits("failed") == 1);
  their_program_reads_the_audit();
  const auto found = new_store()->execute(domain::FindMigration{what->migration_id, ada, {}, {}});
  REQUIRE(is<domain::MigrationReport>(found));
  CHECK(as<domain::MigrationReport>(found).status == domain::MigrationReport::Status::failed);
  CHECK(as<domain::MigrationReport>(found).error_code == "server/internal");
  CHECK(completed(migrate(command("camping", ada))));

  // A user who only failed can go.
  const auto cyd = world->add_user();
  world->sql.exec(
      "SELECT regroup_settle_v1('migration', gen_random_uuid(), $1, 'hut', NULL, 'none', "
      "'server/internal', 'no luck')",
      cyd.text());
  CHECK(world->audits("failed") == 2);
  CHECK(world->sql.exec("DELETE FROM users WHERE id = $1", cyd.text()).affected_rows() == 1);
}

TEST_CASE_METHOD(OriginalTest, "what they migrated counts by its audit row alone") {
  const auto devices = phones("camping", 3);
  const auto group = migrated_by_them("camping", "campers");
  for (const auto* string : {"camping", "campers"}) {
    INFO(string);
    const auto stranger = migrate(command(string, world->add_user()));
    CHECK(refused(stranger) == Refused::already_migrated);
    CHECK_FALSE(as<domain::Refusal>(stranger).migration_id);
    const auto his = migrate(command(string, ben));
    CHECK(refused(his) == Refused::already_migrated);
    CHECK(as<domain::Refusal>(his).authenticated_group_id->text() == group);
    auto rehearsal = *command(string, ben);
    const auto plan = new_store()->execute(
        domain::PlanMigration{std::make_shared<const domain::MigrationCommand>(rehearsal), {}});
    CHECK(as<domain::MigrationPlan>(plan).obstacle->reason == Refused::already_migrated);
  }
  CHECK(world->groups() == 1);
  CHECK(world->memberships() == 0);
  CHECK(devices_of(group, ada) == 3);
  const auto found = whereabouts(ben, devices.back());
  CHECK(found.authenticated_group_id->text() == group);
  CHECK(found.registration_group_id == "camping");

  // Its owner takes his device out; it does not come back by its string.
  CHECK(is<domain::GroupDevicesChanged>(
      new_store()->execute(change(Action::remove, group, ben, {devices.back()}))));
  CHECK(devices_of(group, ada) == 2);
  CHECK(string_of(devices.back()) == "camping");
  CHECK_FALSE(whereabouts(ben, devices.back()).authenticated_group_id);

  // Who made it learns of it, also when nothing there is theirs any more.
  world->sql.exec("DELETE FROM group_memberships WHERE role <> 'owner'; "
                  "UPDATE group_memberships SET user_id = '" +
                  ben.text() + "'; UPDATE devices SET owner_user_id = NULL");
  const auto hers = migrate(command("camping", ada));
  CHECK(as<domain::Refusal>(hers).authenticated_group_id->text() == group);
  const auto recalled = new_store()->execute(domain::RecallMigration{"camping", {ada}, {}});
  CHECK(as<domain::MigrationRecalled>(recalled).answers.at(0).migration_id);
}

TEST_CASE_METHOD(OriginalTest, "the string of a living group is no registration group") {
  phones("family", 3);
  world->sql.exec("INSERT INTO groups (name, slug, created_by) VALUES ('Family', 'family', $1)",
                  ben.text());
  const auto answer = migrate(command("family", ada, "Other"));
  CHECK(refused(answer) == Refused::group_name_exists);
  CHECK(as<domain::Refusal>(answer).group_name == "family");
  CHECK(world->devices_in("family") == 3);
  delete_as_they_do(world->sql.value<std::string>("SELECT id FROM groups"));
  CHECK(completed(migrate(command("family", ada, "Other"))));
}

TEST_CASE_METHOD(OriginalTest, "a device that they take out keeps its string, and is free again") {
  const auto devices = phones("camping", 4);
  const auto part = migrated(command("camping", ada, "Tent One", {devices[0], devices[1]}));
  take_out_as_they_do(devices[0]);
  CHECK(string_of(devices[0]) == "tent-one");
  const auto found = whereabouts(ada, devices[0]);
  CHECK(found.registration_group_id == "camping");
  CHECK_FALSE(found.authenticated_group_id);
  CHECK(found.device_count == 3);
  const auto rest = migrated(command("camping", ada, "Tent Two"));
  CHECK(rest.device_ids == std::vector{devices[0], devices[2], devices[3]});
  CHECK(string_of(devices[0]) == "tent-two");
  CHECK(string_of(devices[1]) == "tent-one");
  CHECK(world->sql.value<int>("SELECT count(*) FROM pg_trigger t WHERE tgname LIKE 'regroup%'") ==
        0);
}

TEST_CASE_METHOD(OriginalTest, "a group that they deleted keeps nothing from being migrated") {
  const auto devices = phones("camping", 3);
  const auto first = migrated(command("camping", ada));
  delete_as_they_do(first.authenticated_group_id.text());

  const auto found = whereabouts(ada, devices[0]);
  CHECK(found.registration_group_id == "camping");
  CHECK_FALSE(found.authenticated_group_id);
  CHECK(found.device_count == 3);
  const auto recalled = new_store()->execute(domain::RecallMigration{"camping", {ada}, {}});
  CHECK(as<domain::MigrationRecalled>(recalled).answers.empty());
  const auto undo = std::make_shared<domain::UndoCommand>(undo_of(first, ada, "camping"));
  CHECK(refused(new_store()->execute(domain::UndoPtr{undo})) == Refused::not_found);
  const auto plan = new_store()->execute(domain::PlanMigration{command("camping", ada), {}});
  CHECK(as<domain::MigrationPlan>(plan).slug == "camping-1");

  const auto second = migrated(command("camping", ada));
  CHECK(second.slug == "camping-1");
  CHECK(second.device_ids == devices);
  CHECK(world->audits("success") == 1);
  CHECK(world->audits("rolled_back") == 1);
  CHECK(refused(migrate(command("camping", ada))) == Refused::already_migrated);
  their_program_reads_the_audit();

  // Theirs as well; and a slug that fills the column keeps room for the number.
  const std::string wide(50, 'w');
  phones("skiing", 2);
  delete_as_they_do(migrated_by_them("skiing", wide));
  CHECK(world->devices_in(wide) == 2);
  const auto third = migrated(command(wide, ada));
  CHECK(third.slug == std::string(48, 'w') + "-1");
  CHECK(world->audits("success") == 3); // that of "skiing" stands until it is migrated again
}

TEST_CASE_METHOD(OriginalTest,
                 "the devices of a group that they deleted are where they came from") {
  const auto devices = phones("camping", 3);
  const auto first = migrated(command("camping", ada, "Chen Family"));
  delete_as_they_do(first.authenticated_group_id.text());
  CHECK(string_of(devices[0]) == "chen-family");
  const auto found = whereabouts(ada, devices[0]);
  CHECK(found.registration_group_id == "camping");
  CHECK(found.device_count == 3);
  SECTION("all of them") {
    const auto second = migrated(command("camping", ada, "Chen Family"));
    CHECK(second.device_ids == devices);
    CHECK(second.slug == "chen-family-1");
  }
  SECTION("one, and then the rest") {
    const auto one = migrated(command("camping", ada, "One", {devices[0]}));
    CHECK(one.devices_remaining == 2);
    CHECK(world->devices_in("camping") == 2);
    CHECK(migrated(command("camping", ben, "Two")).device_ids ==
          std::vector{devices[1], devices[2]});
  }
}

TEST_CASE_METHOD(OriginalTest, "the answer to a registration names living groups only") {
  phones("camping", 2);
  const auto first = migrated(command("camping", ada));
  domain::RegisterDevice late;
  late.device_id = domain::Uuid::random();
  late.display_name = "late";
  late.registration_group_id = "camping";
  late.platform = "ios";
  late.deadline = std::chrono::steady_clock::now() + std::chrono::seconds{30};
  CHECK(refused(new_store()->execute(late)) == Refused::already_migrated);
  delete_as_they_do(first.authenticated_group_id.text());
  CHECK(is<domain::DeviceRegistered>(new_store()->execute(late)));
}

TEST_CASE("what an earlier version recorded is carried over to where others need not read it") {
  config::Settings::Database settings;
  settings.url = unprefixed_database(
      postgres(),
      "INSERT INTO users (id) VALUES ('00000000-0000-4000-8000-000000000001'); "
      "INSERT INTO migration_audit_logs (id, user_id, registration_group_id, "
      "  authenticated_group_id, status, error_code, rolled_back_at) "
      "SELECT ('00000000-0000-4000-9000-00000000000' || n)::uuid, "
      "  '00000000-0000-4000-8000-000000000001', string, grp::uuid, status::migration_status, "
      "code, "
      "  undone::timestamptz "
      "FROM (VALUES (1, 'hut', NULL, 'failed', 'migration/cancelled', NULL), "
      "  (2, '', NULL, 'failed', 'server/database-unavailable', NULL), "
      "  (3, 'lake', '00000000-0000-4000-a000-000000000003', 'rolled_back', NULL, '2026-01-02'), "
      "  (4, 'lake', '00000000-0000-4000-a000-000000000004', 'success', NULL, NULL), "
      "  (5, 'camp', '00000000-0000-4000-a000-000000000005', 'failed', NULL, NULL)) "
      "  AS before (n, string, grp, status, code, undone)");
  Sql sql{settings.url};
  const std::string role = "old_" + sql.value<std::string>("SELECT current_database()");
  sql.exec("CREATE ROLE " + role + "; GRANT INSERT ON regroup_running TO " + role);
  SilentLog log;
  db::apply_schema(settings, log);
  CHECK(db::apply_schema(settings, log).empty());
  CHECK(
      sql.value<std::string>(
          "SELECT string_agg(right(id::text, 1) || ' ' || status || ' ' || regroup_status(a), ', ' "
          "ORDER BY id) FROM migration_audit_logs a") ==
      "3 failed rolled_back, 4 success success, 5 failed failed");
  CHECK(sql.value<std::string>("SELECT string_agg(concat_ws(' ', right(id::text, 1), kind, "
                               "registration_group_id, status, error_code), ', ' ORDER BY id) "
                               "FROM regroup_operations") ==
        "1 migration hut failed migration/cancelled, 2 failed server/database-unavailable");
  CHECK(sql.value<int>("SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'regroup%'") == 0);
  CHECK(sql.value<bool>("SELECT has_column_privilege('" + role +
                        "', 'groups', 'is_active', 'UPDATE')"));
}
