// A rehearsal says what the migration would, disturbs nobody and waits for nobody.
#include "tests/db/support.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <iterator>
#include <optional>

using namespace regroup;
using namespace regroup::test;
using domain::Refused;
using domain::Uuid;

namespace {

class PlanTest : public DatabaseTest {
public:
  PlanTest() : user(world->add_user()) {}

  domain::Answer plan(const domain::MigrationPtr& what) {
    return new_store()->execute(domain::PlanMigration{what, what->deadline});
  }
  domain::MigrationPlan planned(const domain::MigrationPtr& what) {
    const auto answer = plan(what);
    REQUIRE(answer.is<domain::MigrationPlan>());
    return answer.get<domain::MigrationPlan>();
  }

  Uuid user;
};

std::optional<Refused> obstacle(const domain::MigrationPlan& plan) {
  return plan.obstacle ? std::optional{plan.obstacle->reason} : std::nullopt;
}

} // namespace

TEST_CASE_METHOD(PlanTest, "a rehearsal says what the migration then says and does") {
  const auto other = world->add_user();
  const auto group = std::string{"camping-2025"};
  const auto devices = world->add_devices(group, 4, user);
  world->sql.exec("UPDATE devices SET owner_user_id = $1 WHERE device_id IN ($2, $3)", other.text(),
                  devices[1].text(), devices[2].text());
  world->sql.exec("INSERT INTO groups (name, slug, created_by) VALUES ('Taken', 'taken', $1)",
                  user.text());
  auto what = *command(group, user);
  const auto choose = [&](std::vector<Uuid> ids) { what.device_ids = std::move(ids); };
  SECTION("all of it") {}
  SECTION("a part of it") {
    std::vector<Uuid> ids{devices[0], devices[2], Uuid::random()};
    std::sort(ids.begin(), ids.end());
    choose(ids);
  }
  SECTION("the rest, after a part") {
    REQUIRE(completed(migrate(command(group, user, {devices[1]}))));
    what = *named(group, user, "Rest");
  }
  SECTION("the rest, under the name of the part") {
    REQUIRE(completed(migrate(command(group, user, {devices[1]}))));
  }
  SECTION("a part that was migrated before") {
    REQUIRE(completed(migrate(command(group, user, {devices[1]}))));
    choose({devices[1]});
  }
  SECTION("what was migrated before") { REQUIRE(completed(migrate(command(group, user)))); }
  SECTION("what was migrated before, asked by a stranger") {
    REQUIRE(completed(migrate(command(group, user))));
    what.user_id = world->add_user();
  }
  SECTION("nothing") { what = *command("nobody-here", user); }
  SECTION("devices that are not there") { choose({Uuid::random()}); }
  SECTION("somebody else's") { what.user_id = world->add_user(); }
  SECTION("not enough of one's own") { what.require_owner = domain::RequireOwner::majority; }
  SECTION("not all of one's own, asked for a part") {
    what.require_owner = domain::RequireOwner::all_linked;
    choose({devices[0]});
  }
  const auto linked_ago = [&](const Uuid& device, const char* ago) {
    world->sql.exec("UPDATE devices SET linked_at = now() - $2::interval WHERE device_id = $1",
                    device.text(), ago);
  };
  SECTION("enough of one's own that were linked long ago") {
    what.require_owner = domain::RequireOwner::majority;
    what.link_age = std::chrono::hours{1};
    world->sql.exec("UPDATE devices SET group_joined_at = NULL, created_at = now()");
    linked_ago(devices[0], "2 hours");
    linked_ago(devices[1], "59 minutes");
    linked_ago(devices[2], "0");
  }
  SECTION("one's own were linked long ago, and brought here since") {
    what.require_owner = domain::RequireOwner::majority;
    what.link_age = std::chrono::hours{1};
    linked_ago(devices[0], "2 hours");
    world->sql.exec("UPDATE devices SET group_joined_at = now()");
  }
  SECTION("no device was linked long ago") {
    what.require_owner = domain::RequireOwner::all_linked;
    what.link_age = std::chrono::hours{1};
  }
  SECTION("any device will do, however new") { what.link_age = std::chrono::hours{1}; }
  SECTION("too many") { what.max_devices = 3; }
  SECTION("a name that is taken") { what = *named(group, user, "Taken!"); }
  const auto into_taken = [&](const char* role) {
    world->sql.exec("INSERT INTO group_memberships (group_id, user_id, role) "
                    "SELECT id, $1, $2::group_role FROM groups",
                    user.text(), role);
    what.authenticated_group_id =
        *Uuid::parse(world->sql.value<std::string>("SELECT id::text FROM groups"));
    what.into_group = true;
  };
  SECTION("into a group that is there") { into_taken("admin"); }
  SECTION("into a group that is there, a part") {
    into_taken("owner");
    choose({devices[3]});
  }
  SECTION("into a group of which one is a member") { into_taken("member"); }
  SECTION("into a group of others") {
    into_taken("owner");
    world->sql.exec("DELETE FROM group_memberships");
  }
  SECTION("into a group that is full") {
    into_taken("owner");
    world->sql.exec("INSERT INTO device_group_memberships (device_id, group_id) "
                    "SELECT $1, id FROM groups",
                    world->add_devices("lake", 1, user).front().text());
    what.max_devices = 4;
  }
  SECTION("into no group") {
    what.into_group = true;
    what.authenticated_group_id = Uuid::random();
  }
  SECTION("a user who is not active") { what.user_id = world->add_user(false); }

  const auto asked = std::make_shared<const domain::MigrationCommand>(what);
  const auto before = plan(asked);
  const auto real = migrate(asked);
  if (const auto* done = completed(real)) {
    const auto& plan = before.get<domain::MigrationPlan>();
    CHECK_FALSE(plan.obstacle);
    CHECK(plan.registration_group_id == group);
    CHECK(plan.name == done->name);
    CHECK(plan.slug == done->slug);
    CHECK(plan.devices_to_migrate == static_cast<std::int64_t>(done->device_ids.size()));
    std::vector<Uuid> own; // devices[0] alone is the user's
    std::copy_if(done->device_ids.begin(), done->device_ids.end(), std::back_inserter(own),
                 [&](const Uuid& id) { return id == devices[0]; });
    CHECK(plan.device_ids == own);
    CHECK(plan.devices_remaining == done->devices_remaining);
    CHECK(plan.ignored_device_ids == done->ignored_device_ids);
  } else {
    const auto& refusal = real.get<domain::Refusal>();
    const auto* plan = before.get_if<domain::MigrationPlan>();
    REQUIRE((plan == nullptr || plan->obstacle));
    const auto& said = plan ? *plan->obstacle : before.get<domain::Refusal>();
    CHECK(said.reason == refusal.reason);
    CHECK(said.registration_group_id == refusal.registration_group_id);
    CHECK(said.authenticated_group_id == refusal.authenticated_group_id);
    CHECK(said.migration_id == refusal.migration_id);
    CHECK(said.device_count == refusal.device_count);
    CHECK(said.limit == refusal.limit);
    CHECK(said.group_name == refusal.group_name);
    CHECK(said.ownership.has_value() == refusal.ownership.has_value());
    // Whose devices these are not, learns nothing of them, and of others' their number alone.
    const bool may_see = said.reason == Refused::not_owner_of_enough ||
                         said.reason == Refused::too_many_devices ||
                         said.reason == Refused::group_name_exists || what.into_group;
    if (plan) {
      CHECK(plan->device_ids == (may_see ? std::vector{devices[0]} : std::vector<Uuid>{}));
      CHECK((plan->devices_to_migrate == 0) == !may_see);
    }
  }
}

TEST_CASE_METHOD(PlanTest, "a rehearsal writes nothing") {
  world->add_devices("camping-2025", 3, user);
  CHECK(planned(command("camping-2025", user)).devices_to_migrate == 3);
  CHECK(world->groups() + world->group_members() + world->memberships() == 0);
  CHECK(world->sql.value<int>("SELECT count(*) FROM migration_audit_logs") == 0);
}

TEST_CASE_METHOD(PlanTest, "a rehearsal waits for no lock, and says that one is held") {
  const auto devices = world->add_devices("camping-2025", 3, user);
  HeldTransaction holder{url};
  holder.exec("SELECT pg_advisory_xact_lock(regroup_lock_key('camping-2025')), "
              "pg_advisory_xact_lock(regroup_members_key('camping-2025'))");
  holder.exec("SELECT FROM devices FOR UPDATE");
  const auto plan = planned(command("camping-2025", user));
  CHECK(obstacle(plan) == Refused::in_progress);
  CHECK(plan.device_ids == std::vector{devices[0]});
  CHECK_FALSE(obstacle(planned(command("lake", user))) == Refused::in_progress);
  holder.rollback();
  CHECK_FALSE(obstacle(planned(command("camping-2025", user))));
}

TEST_CASE_METHOD(PlanTest, "a migration runs through a rehearsal that is still under way") {
  world->add_devices("camping-2025", 3, user);
  HeldTransaction rehearsal{url};
  rehearsal.exec("SELECT * FROM regroup_plan_v2($1, 'camping-2025', 'camping-2025', NULL, 100, "
                 "'any', NULL, 0)",
                 user.text());
  CHECK(completed(migrate(command("camping-2025", user))));
}
