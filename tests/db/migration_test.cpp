// What one migration writes, and what it refuses without writing anything.
#include "tests/db/support.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace regroup;
using namespace regroup::test;
using domain::Refused;
using domain::Uuid;

namespace {

int rows(World& world) {
  return world.groups() + world.group_members() + world.memberships() + world.audits("success") +
         world.audits("partial") + world.audits("failed");
}

} // namespace

TEST_CASE_METHOD(DatabaseTest, "a migration makes the group, its owner and every membership") {
  const auto user = world->add_user();
  const auto devices = world->add_devices("camping-2025", 3, user);
  const auto what = named("camping-2025", user, "Chen Family");
  const auto answer = migrate(what);
  const auto* done = completed(answer);
  REQUIRE(done);
  CHECK(done->migration_id == what->migration_id);
  CHECK(done->name == "Chen Family");
  CHECK(done->slug == "chen-family");
  CHECK(done->device_ids == devices);
  CHECK(done->devices_remaining == 0);
  CHECK(world->groups() == 1);
  CHECK(world->memberships() == 3);
  CHECK(world->devices_in("chen-family") == 3);
  CHECK(world->devices_in("camping-2025") == 0);
  CHECK(world->sql.value<std::string>("SELECT role::text FROM group_memberships WHERE user_id = $1",
                                      user.text()) == "owner");
  CHECK(world->audits("success") == 1);
}

TEST_CASE_METHOD(DatabaseTest, "one transaction writes all rows of a migration") {
  const auto user = world->add_user();
  world->add_devices("camping-2025", 3, user);
  REQUIRE(completed(migrate(command("camping-2025", user))));
  CHECK(
      world->sql.value<int>(
          "SELECT count(DISTINCT xmin::text) FROM (SELECT xmin FROM groups UNION ALL "
          "SELECT xmin FROM group_memberships UNION ALL SELECT xmin FROM device_group_memberships "
          "UNION ALL SELECT xmin FROM devices UNION ALL SELECT xmin FROM migration_audit_logs) "
          "r") == 1);
}

TEST_CASE_METHOD(DatabaseTest, "a second migration is told what became of the first") {
  const auto user = world->add_user();
  const auto stranger = world->add_user();
  world->add_devices("camping-2025", 3, user);
  const auto first = migrate(command("camping-2025", user));
  const auto again = migrate(command("camping-2025", user));
  REQUIRE(refused(again) == Refused::already_migrated);
  CHECK(again.get<domain::Refusal>().migration_id == completed(first)->migration_id);
  CHECK(again.get<domain::Refusal>().authenticated_group_id ==
        completed(first)->authenticated_group_id);
  const auto other = migrate(command("camping-2025", stranger));
  REQUIRE(refused(other) == Refused::already_migrated);
  CHECK_FALSE(other.get<domain::Refusal>().migration_id);
  CHECK_FALSE(other.get<domain::Refusal>().authenticated_group_id);
}

TEST_CASE_METHOD(DatabaseTest, "what is refused writes nothing") {
  const auto user = world->add_user();
  const auto stranger = world->add_user();
  const auto gone = world->add_user(false);
  world->add_devices("camping-2025", 3, user);
  world->sql.exec("INSERT INTO groups (name, slug, created_by) VALUES ('Taken', 'taken', $1)",
                  user.text());
  const int before = rows(*world);
  CHECK(refused(migrate(command("nobody-here", user))) == Refused::no_devices);
  CHECK(refused(migrate(command("camping-2025", stranger))) == Refused::not_device_owner);
  CHECK(refused(migrate(command("camping-2025", gone))) == Refused::unauthorized);
  CHECK(refused(migrate(command("camping-2025", Uuid::random()))) == Refused::unauthorized);
  CHECK(refused(migrate(named("camping-2025", user, "Taken!"))) == Refused::group_name_exists);
  auto few = *command("camping-2025", user);
  few.max_devices = 2;
  const auto many = migrate(std::make_shared<const domain::MigrationCommand>(few));
  CHECK(refused(many) == Refused::too_many_devices);
  CHECK(many.get<domain::Refusal>().device_count == 3);
  CHECK(many.get<domain::Refusal>().limit == 2);
  CHECK(rows(*world) == before);
  CHECK(world->devices_in("camping-2025") == 3);
}

TEST_CASE_METHOD(DatabaseTest, "how many linked devices must be the caller's is a setting") {
  using domain::RequireOwner;
  const auto user = world->add_user();
  const auto other = world->add_user();
  const auto devices = world->add_devices("camping-2025", 6, user); // of which one is the user's
  const auto link = [&](std::size_t which, const Uuid& owner) {
    world->sql.exec("UPDATE devices SET owner_user_id = $1 WHERE device_id = $2", owner.text(),
                    devices.at(which).text());
  };
  const auto under = [&](RequireOwner rule, std::vector<Uuid> device_ids = {}) {
    auto what = *command("camping-2025", user, std::move(device_ids));
    what.require_owner = rule;
    return migrate(std::make_shared<const domain::MigrationCommand>(std::move(what)));
  };
  link(1, other);
  SECTION("half is no majority") {
    const auto answer = under(RequireOwner::majority);
    REQUIRE(refused(answer) == Refused::not_owner_of_enough);
    const auto& refusal = answer.get<domain::Refusal>();
    CHECK(refusal.registration_group_id == "camping-2025");
    REQUIRE(refusal.ownership);
    CHECK(refusal.ownership->required == RequireOwner::majority);
    CHECK(refusal.ownership->linked_devices == 2);
    CHECK(refusal.ownership->owned_devices == 1);
  }
  SECTION("more than half is") {
    link(2, user);
    CHECK(refused(under(RequireOwner::all_linked)) == Refused::not_owner_of_enough);
    CHECK(completed(under(RequireOwner::majority)));
  }
  SECTION("devices that are nobody's do not count") {
    link(1, user);
    CHECK(completed(under(RequireOwner::all_linked)));
  }
  SECTION("inactive devices and migrated ones do not count") {
    world->sql.exec("UPDATE devices SET active = false WHERE device_id = $1", devices[1].text());
    CHECK(completed(under(RequireOwner::all_linked)));
  }
  SECTION("the caller's choice of devices does not change whose the group is") {
    CHECK(refused(under(RequireOwner::majority, {devices[0]})) == Refused::not_owner_of_enough);
    CHECK(completed(under(RequireOwner::any, {devices[0]})));
  }
  SECTION("who owns none is told nothing of the others") {
    auto what = *command("camping-2025", world->add_user());
    what.require_owner = RequireOwner::all_linked;
    const auto answer = migrate(std::make_shared<const domain::MigrationCommand>(std::move(what)));
    CHECK(refused(answer) == Refused::not_device_owner);
    CHECK_FALSE(answer.get<domain::Refusal>().ownership);
  }
}

TEST_CASE_METHOD(DatabaseTest, "an inactive device is neither migrated nor counted") {
  const auto user = world->add_user();
  const auto devices = world->add_devices("camping-2025", 3, user);
  world->sql.exec("UPDATE devices SET active = false WHERE device_id = $1", devices[2].text());
  const auto answer = migrate(named("camping-2025", user, "Chen Family"));
  REQUIRE(completed(answer));
  CHECK(completed(answer)->device_ids == std::vector{devices[0], devices[1]});
  CHECK(world->devices_in("camping-2025") == 1);
}

TEST_CASE_METHOD(DatabaseTest, "a partial migration leaves the rest to a later one") {
  const auto user = world->add_user();
  const auto devices = world->add_devices("camping-2025", 4, user);
  const auto elsewhere = Uuid::random();
  const auto first =
      migrate(command("camping-2025", user, {devices[2], devices[0], devices[2], elsewhere}));
  REQUIRE(completed(first));
  CHECK(completed(first)->device_ids == std::vector{devices[0], devices[2]});
  CHECK(completed(first)->ignored_device_ids == std::vector{elsewhere});
  CHECK(completed(first)->devices_remaining == 2);
  CHECK(world->audits("partial") == 1);

  SECTION("the same devices again were migrated before") {
    CHECK(refused(migrate(command("camping-2025", user, {devices[0]}))) ==
          Refused::already_migrated);
  }
  SECTION("devices that never were in the group are none") {
    CHECK(refused(migrate(command("camping-2025", user, {elsewhere}))) == Refused::no_devices);
  }
  SECTION("a caller who owns none of what is left may not take it") {
    // The caller's one device is in the first group now.
    CHECK(refused(migrate(named("camping-2025", user, "Rest"))) == Refused::not_device_owner);
  }
  SECTION("the rest goes into a further group, whose name the caller chooses") {
    world->sql.exec("UPDATE devices SET owner_user_id = $1", user.text());
    // The default name's slug was taken by the first one.
    CHECK(refused(migrate(command("camping-2025", user))) == Refused::group_name_exists);
    const auto rest = migrate(named("camping-2025", user, "Rest"));
    REQUIRE(completed(rest));
    CHECK(completed(rest)->device_ids == std::vector{devices[1], devices[3]});
    CHECK(world->audits("success") == 1);
    const auto more = migrate(named("camping-2025", user, "More"));
    REQUIRE(refused(more) == Refused::already_migrated);
    CHECK_FALSE(more.get<domain::Refusal>().migrated_in_parts);
  }
  SECTION("when nothing is left, it was migrated before") {
    world->sql.exec("UPDATE devices SET active = false WHERE group_id = 'camping-2025'");
    world->sql.exec("DELETE FROM devices WHERE NOT active");
    const auto rest = migrate(named("camping-2025", user, "Rest"));
    REQUIRE(refused(rest) == Refused::already_migrated);
    CHECK(rest.get<domain::Refusal>().migrated_in_parts);
  }
}

TEST_CASE_METHOD(DatabaseTest, "a slug that equals another registration group's id mixes nothing") {
  const auto user = world->add_user();
  world->add_devices("lake", 2, user);
  REQUIRE(completed(migrate(named("lake", user, "tent"))));
  const auto tent =
      world->add_devices("tent", 1, user); // beside the two whose group_id is the slug
  const auto answer = migrate(named("tent", user, "another tent"));
  REQUIRE(completed(answer));
  CHECK(completed(answer)->device_ids == tent);
  CHECK(world->devices_in("tent") == 2);
}

TEST_CASE_METHOD(DatabaseTest, "an Idempotency-Key answers the first outcome again") {
  const auto user = world->add_user();
  const auto other = world->add_user();
  world->add_devices("camping-2025", 3, user);
  world->add_devices("lake", 1, user);
  world->add_devices("meadow", 1, other);
  const auto first = migrate(keyed("camping-2025", user, "k1", "hash"));
  REQUIRE(completed(first));
  CHECK_FALSE(completed(first)->replayed);

  const auto again = migrate(keyed("camping-2025", user, "k1", "hash"));
  REQUIRE(completed(again));
  CHECK(completed(again)->replayed);
  CHECK(completed(again)->migration_id == completed(first)->migration_id);
  CHECK(completed(again)->authenticated_group_id == completed(first)->authenticated_group_id);
  CHECK(completed(again)->device_ids == completed(first)->device_ids);
  CHECK(completed(again)->slug == completed(first)->slug);

  CHECK(refused(migrate(keyed("camping-2025", user, "k1", "another"))) ==
        Refused::idempotency_mismatch);
  CHECK(refused(migrate(keyed("lake", user, "k1", "lakes"))) == Refused::idempotency_mismatch);
  CHECK(completed(migrate(keyed("meadow", other, "k1", "meadows"))));
  CHECK(world->groups() == 2);
}

TEST_CASE_METHOD(DatabaseTest, "a refused request does not use up its Idempotency-Key") {
  const auto user = world->add_user();
  CHECK(refused(migrate(keyed("camping-2025", user, "k1", "hash"))) == Refused::no_devices);
  world->add_devices("camping-2025", 1, user);
  CHECK(completed(migrate(keyed("camping-2025", user, "k1", "hash"))));
}

TEST_CASE_METHOD(DatabaseTest, "the status of a migration is its initiator's alone") {
  const auto user = world->add_user();
  world->add_devices("camping-2025", 2, user);
  const auto what = command("camping-2025", user);
  REQUIRE(completed(migrate(what)));
  const auto ask = [&](std::optional<Uuid> who) {
    return new_store()->execute(domain::FindMigration{what->migration_id, who, std::nullopt,
                                                      std::chrono::steady_clock::now()});
  };
  const auto mine = ask(user);
  REQUIRE(mine.is<domain::MigrationReport>());
  CHECK(mine.get<domain::MigrationReport>().result.device_ids.size() == 2);
  CHECK(ask(std::nullopt).is<domain::MigrationReport>()); // an administrator
  CHECK(refused(ask(world->add_user())) == Refused::not_found);
}
