// A migration of some devices, and one into a group that is there already.
#include "tests/db/support.hpp"

#include <catch2/catch.hpp>

using namespace regroup;
using namespace regroup::test;
using domain::Refused;
using domain::Uuid;

namespace {

class PartialTest : public DatabaseTest {
public:
  PartialTest() : user(world->add_user()), devices(world->add_devices("camping-2025", 4, user)) {
    world->sql.exec("UPDATE devices SET owner_user_id = $1", user.text());
    group = migrated(named_part()).authenticated_group_id;
  }

  domain::MigrationCompleted migrated(const domain::MigrationPtr& what) {
    const auto answer = migrate(what);
    REQUIRE(completed(answer));
    return *completed(answer);
  }

  /// The rest of the registration group, or these of it, into the group that is there.
  domain::MigrationPtr into(const Uuid& group_id, const Uuid& who, std::vector<Uuid> ids = {}) {
    auto what = *command("camping-2025", who, std::move(ids));
    what.into_group = true;
    what.authenticated_group_id = group_id;
    return std::make_shared<const domain::MigrationCommand>(std::move(what));
  }
  domain::MigrationPtr into() { return into(group, user); }

  Uuid user;
  std::vector<Uuid> devices; // of which the second is in the group
  Uuid group;

private:
  domain::MigrationPtr named_part() {
    auto what = *named("camping-2025", user, "Chen Family");
    what.device_ids = {devices[1]};
    return std::make_shared<const domain::MigrationCommand>(std::move(what));
  }
};

} // namespace

TEST_CASE_METHOD(PartialTest, "the audit says which devices were included and which excluded") {
  const auto listed = [&](const std::string& column) {
    return world->sql.value<std::string>(
        "SELECT array_to_string(" + column +
        ", ',') FROM migration_audit_logs WHERE status = 'partial'");
  };
  CHECK(listed("device_ids") == devices[1].text());
  CHECK(listed("excluded_device_ids") ==
        devices[0].text() + "," + devices[2].text() + "," + devices[3].text());
}

TEST_CASE_METHOD(PartialTest, "the rest goes into the same group") {
  const auto what = into();
  const auto done = migrated(what);
  CHECK(done.migration_id == what->migration_id);
  CHECK(done.authenticated_group_id == group);
  CHECK(done.name == "Chen Family");
  CHECK(done.slug == "chen-family");
  CHECK(done.device_ids == std::vector{devices[0], devices[2], devices[3]});
  CHECK(done.devices_remaining == 0);
  CHECK(world->groups() == 1);
  CHECK(world->group_members() == 1);
  CHECK(world->memberships() == 4);
  CHECK(world->devices_in("chen-family") == 4);
  CHECK(world->audits("success") == 1); // that was all of the rest
  CHECK(refused(migrate(into())) == Refused::already_migrated);
  const auto found = new_store()->execute(domain::Settle{what, what->deadline});
  REQUIRE(completed(found));
  CHECK(completed(found)->slug == "chen-family");
}

TEST_CASE_METHOD(PartialTest,
                 "a part of the rest goes into the same group, and the audit says so") {
  const auto done = migrated(into(group, user, {devices[3], devices[1]}));
  CHECK(done.device_ids == std::vector{devices[3]});
  CHECK(done.devices_remaining == 2);
  CHECK(done.ignored_device_ids == std::vector{devices[1]}); // it is there already
  CHECK(world->audits("partial") == 2);
  CHECK(world->sql.value<std::string>("SELECT array_to_string(excluded_device_ids, ',') FROM "
                                      "migration_audit_logs WHERE devices_remaining = 2") ==
        devices[0].text() + "," + devices[2].text());
}

TEST_CASE_METHOD(PartialTest, "an administrator of the group who owns one of the rest may add it") {
  const auto admin = world->add_user();
  world->sql.exec("UPDATE devices SET owner_user_id = $1 WHERE device_id = $2", admin.text(),
                  devices[2].text());
  CHECK(refused(migrate(into(group, admin))) == Refused::not_group_member);
  world->sql.exec(
      "INSERT INTO group_memberships (group_id, user_id, role) VALUES ($1, $2, 'member')",
      group.text(), admin.text());
  CHECK(refused(migrate(into(group, admin))) == Refused::forbidden);
  world->sql.exec("UPDATE group_memberships SET role = 'viewer' WHERE user_id = $1", admin.text());
  CHECK(refused(migrate(into(group, admin))) == Refused::forbidden);
  world->sql.exec("UPDATE group_memberships SET role = 'admin' WHERE user_id = $1", admin.text());
  CHECK(migrated(into(group, admin)).device_ids.size() == 3);
}

TEST_CASE_METHOD(PartialTest, "a group that is not there, not active or full takes no devices") {
  CHECK(refused(migrate(into(Uuid::random(), user))) == Refused::not_found);
  world->sql.exec("UPDATE groups SET is_active = false");
  CHECK(refused(migrate(into())) == Refused::not_found);
  world->sql.exec("UPDATE groups SET is_active = true");
  auto few = *into();
  few.max_devices = 3; // one is in it, and three would come
  const auto answer = migrate(std::make_shared<const domain::MigrationCommand>(few));
  REQUIRE(refused(answer) == Refused::too_many_devices);
  CHECK(answer.get<domain::Refusal>().device_count == 4);
  CHECK(answer.get<domain::Refusal>().limit == 3);
  CHECK(world->memberships() == 1);
  CHECK(world->devices_in("camping-2025") == 3);
}

TEST_CASE_METHOD(PartialTest, "a group grows with the devices that are migrated into it") {
  world->sql.exec("UPDATE groups SET max_devices = 2");
  migrated(into());
  CHECK(world->sql.value<int>("SELECT max_devices FROM groups") == 4);
}

TEST_CASE_METHOD(PartialTest,
                 "a device that was in the group by hand is migrated with the others") {
  world->sql.exec("INSERT INTO device_group_memberships (device_id, group_id) VALUES ($1, $2)",
                  devices[0].text(), group.text());
  CHECK(migrated(into()).device_ids.size() == 3);
  CHECK(world->memberships() == 4);
  CHECK(world->devices_in("chen-family") == 4);
}

TEST_CASE_METHOD(PartialTest, "a group of several migrations cannot be undone") {
  migrated(into(group, user, {devices[3]}));
  domain::UndoCommand what{};
  what.undo_id = Uuid::time_ordered();
  what.authenticated_group_id = group;
  what.user_id = user;
  what.registration_group_id = "camping-2025";
  what.window = std::chrono::hours{1};
  what.deadline = std::chrono::steady_clock::now() + std::chrono::seconds{30};
  CHECK(refused(new_store()->execute(std::make_shared<const domain::UndoCommand>(what))) ==
        Refused::group_modified);
  CHECK(world->memberships() == 2);
}

TEST_CASE_METHOD(PartialTest,
                 "a group that is deleted while devices wait to go into it is not found") {
  HeldTransaction deleting{url};
  deleting.exec("DELETE FROM groups");
  auto running = migrate_meanwhile(into());
  REQUIRE(somebody_waits("transactionid"));
  deleting.commit();
  CHECK(refused(running.get()) == Refused::not_found);
  // The three that waited, and the one that returned from the group that is gone.
  CHECK(world->devices_in("camping-2025") == 4);
}

TEST_CASE_METHOD(PartialTest, "a failure on the way into a group leaves it as it was") {
  world->raise_at_device(2);
  CHECK(refused(migrate(into())) == Refused::internal);
  CHECK(world->memberships() == 1);
  CHECK(world->devices_in("camping-2025") == 3);
  CHECK(world->audits("failed") == 1);
  CHECK(world->audits("success") == 0);
}

TEST_CASE_METHOD(DatabaseTest,
                 "a large group is migrated in several statements and all or nothing") {
  const auto user = world->add_user();
  world->add_devices("city", 1, user);
  world->sql.exec("INSERT INTO devices (device_id, display_name, group_id, platform) "
                  "SELECT gen_random_uuid(), 'phone', 'city', 'android' "
                  "FROM generate_series(1, 1200)");
  auto what = *command("city", user);
  what.max_devices = 5000;
  world->raise_at_device(1100);
  CHECK(refused(migrate(std::make_shared<const domain::MigrationCommand>(what))) ==
        Refused::internal);
  CHECK(world->groups() + world->memberships() + world->group_members() == 0);
  CHECK(world->devices_in("city") == 1201);
  world->raise_no_more();
  what.migration_id = Uuid::time_ordered();
  const auto answer = migrate(std::make_shared<const domain::MigrationCommand>(what));
  REQUIRE(completed(answer));
  CHECK(completed(answer)->device_ids.size() == 1201);
  CHECK(world->groups() == 1);
  CHECK(world->group_members() == 1);
  CHECK(world->memberships() == 1201);
  CHECK(world->audits("success") == 1);
  CHECK(world->sql.value<int>(
            "SELECT count(DISTINCT xmin::text) FROM (SELECT xmin FROM groups UNION ALL SELECT xmin "
            "FROM group_memberships UNION ALL SELECT xmin FROM device_group_memberships UNION ALL "
            "SELECT xmin FROM devices UNION ALL SELECT xmin FROM migration_audit_logs "
            "WHERE status = 'success') r") == 1);
}
