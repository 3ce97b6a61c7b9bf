// Devices that are put into a group and taken out of it, and what a migration meanwhile makes of
// it.
#include "tests/db/support.hpp"
#include "tests/support/phone_manager.hpp"

#include <catch2/catch.hpp>

using namespace regroup;
using namespace regroup::test;
using domain::ChangeGroupDevices;
using domain::GroupDevicesChanged;
using domain::Refused;
using domain::Uuid;
using Action = ChangeGroupDevices::Action;

namespace {

struct GroupDevicesTest : DatabaseTest {
  GroupDevicesTest() : user(world->add_user()), migrated(world->add_devices("home", 2, user)) {
    const auto done = migrate(named("home", user, "Chen Family"));
    group = completed(done)->authenticated_group_id;
  }

  ChangeGroupDevices change(Action action, std::vector<Uuid> devices) {
    ChangeGroupDevices what;
    what.action = action;
    what.user_id = user;
    what.group_id = group;
    what.device_ids = std::move(devices);
    return what;
  }
  domain::Answer run(ChangeGroupDevices what) {
    what.change_id = Uuid::random();
    what.deadline = std::chrono::steady_clock::now() + std::chrono::seconds{30};
    return new_store()->execute(std::make_shared<const ChangeGroupDevices>(std::move(what)));
  }
  domain::Answer add(std::vector<Uuid> devices) { return run(change(Action::add, devices)); }
  domain::Answer remove(std::vector<Uuid> devices) { return run(change(Action::remove, devices)); }
  std::future<domain::Answer> meanwhile(const ChangeGroupDevices& what) {
    return std::async(std::launch::async, [this, what] { return run(what); });
  }

  /// Devices of a registration group that all belong to `owner`.
  std::vector<Uuid> phones(const std::string& registration_group, std::size_t count,
                           const Uuid& owner) {
    auto ids = world->add_devices(registration_group, count, owner);
    world->sql.exec("UPDATE devices SET owner_user_id = $1 WHERE group_id = $2", owner.text(),
                    registration_group);
    return ids;
  }
  std::string group_id_of(const Uuid& device) {
    return world->sql.value<std::string>("SELECT group_id FROM devices WHERE device_id = $1",
                                         device.text());
  }
  int groups_of(const Uuid& device) {
    return world->sql.value<int>(
        "SELECT count(*) FROM device_group_memberships WHERE device_id = $1", device.text());
  }
  int changes() { return world->sql.value<int>("SELECT count(*) FROM regroup_device_changes"); }
  void join(const Uuid& who, const std::string& role) {
    world->sql.exec("INSERT INTO group_memberships (group_id, user_id, role) "
                    "VALUES ($1, $2, $3::group_role)",
                    group.text(), who.text(), role);
  }
  /// A migration of "lake" that has done all but its COMMIT.
  void hold_migration_of_lake(HeldTransaction& in) {
    in.exec("SELECT * FROM regroup_migrate_v2($1, $2, $3, 'lake', 'Lake', 'lake-house', NULL, 100, "
            "20, NULL, NULL)",
            Uuid::random().text(), Uuid::random().text(), user.text());
  }

  Uuid user;
  std::vector<Uuid> migrated;
  Uuid group;
};

const GroupDevicesChanged* changed(const domain::Answer& answer) {
  return answer.get_if<GroupDevicesChanged>();
}

std::vector<std::optional<Refused>> verdicts(const std::vector<domain::DeviceResult>& results) {
  std::vector<std::optional<Refused>> all;
  for (const auto& each : results)
    all.push_back(each.refused);
  return all;
}

} // namespace

TEST_CASE_METHOD(GroupDevicesTest, "a device that is added stays in its registration group") {
  const auto phone = phones("lake", 1, user)[0];
  REQUIRE(changed(add({phone})));
  CHECK(groups_of(phone) == 1);
  CHECK(group_id_of(phone) == "lake");
  CHECK(world->sql.value<std::string>("SELECT added_by FROM device_group_memberships "
                                      "WHERE device_id = $1",
                                      phone.text()) == user.text());
  CHECK(changes() == 1);
  // It can be migrated like the others there, and be in both groups.
  REQUIRE(completed(migrate(named("lake", user, "Lake House"))));
  CHECK(groups_of(phone) == 2);
  CHECK(group_id_of(phone) == "lake-house");
  CHECK(refused(add({phone})) == Refused::already_in_group);
  REQUIRE(changed(remove({phone})));
  CHECK(groups_of(phone) == 1);
  CHECK(group_id_of(phone) == "lake-house");
}

TEST_CASE_METHOD(GroupDevicesTest, "whoever may not add a device changes nothing") {
  const auto other = world->add_user();
  const auto mine = phones("lake", 2, user);
  const auto theirs = phones("hut", 1, other)[0];
  const auto unlinked = world->add_devices("tent", 2, user)[1];
  const int before = world->memberships();
  auto by_other = change(Action::add, {theirs});
  by_other.user_id = other;
  CHECK(refused(run(by_other)) == Refused::not_group_member);
  join(other, "viewer");
  CHECK(refused(run(by_other)) == Refused::forbidden);
  by_other.user_id = world->add_user(false);
  CHECK(refused(run(by_other)) == Refused::unauthorized);
  CHECK(refused(add({theirs})) == Refused::not_owner_of_device);
  CHECK(refused(add({unlinked})) == Refused::not_owner_of_device);
  CHECK(refused(add({Uuid::random()})) == Refused::not_found);
  world->sql.exec("UPDATE devices SET active = false WHERE device_id = $1", mine[1].text());
  CHECK(refused(add({mine[1]})) == Refused::not_found);
  auto elsewhere = change(Action::add, {mine[0]});
  elsewhere.group_id = Uuid::random();
  CHECK(refused(run(elsewhere)) == Refused::not_found);
  world->sql.exec("UPDATE groups SET is_active = false");
  CHECK(refused(add({mine[0]})) == Refused::not_found);
  CHECK(world->memberships() == before);
  CHECK(changes() == 0);
}

TEST_CASE_METHOD(
    GroupDevicesTest,
    "of a group that was made inactive a device's owner may take it out, and no more") {
  const auto other = world->add_user();
  const auto theirs = phones("hut", 1, other)[0];
  join(other, "member");
  auto by_other = change(Action::add, {theirs});
  by_other.user_id = other;
  REQUIRE(changed(run(by_other)));
  world->sql.exec(GENERATE("UPDATE groups SET is_active = false",
                           "ALTER TABLE groups ALTER is_active DROP NOT NULL; "
                           "UPDATE groups SET is_active = NULL"));
  const int before = world->memberships();

  CHECK(refused(run(by_other)) == Refused::not_found);
  CHECK(refused(add({phones("lake", 1, user)[0]})) == Refused::not_found);
  CHECK(refused(remove({theirs})) == Refused::not_found); // though the caller owns the group
  CHECK(refused(remove({migrated[0], theirs})) == Refused::not_owner_of_device);
  auto by_stranger = change(Action::remove, {theirs});
  by_stranger.user_id = world->add_user();
  CHECK(refused(run(by_stranger)) == Refused::not_found);
  CHECK(world->memberships() == before);

  by_other.action = Action::remove;
  REQUIRE(changed(run(by_other)));
  CHECK(groups_of(theirs) == 0);
  REQUIRE(changed(remove({migrated[0]})));
  CHECK(group_id_of(migrated[0]) == "home");
  CHECK(groups_of(migrated[1]) == 1);
}

TEST_CASE_METHOD(GroupDevicesTest, "owners, admins and a device's owner may take it out") {
  const auto other = world->add_user();
  const auto theirs = phones("hut", 1, other)[0];
  join(other, "member");
  auto by_other = change(Action::add, {theirs});
  by_other.user_id = other;
  REQUIRE(changed(run(by_other)));
  auto out = change(Action::remove, {migrated[0]});
  out.user_id = other;
  CHECK(refused(run(out)) == Refused::not_owner_of_device);
  CHECK(refused(remove({Uuid::random()})) == Refused::not_found);
  REQUIRE(changed(remove({theirs}))); // by the owner
  CHECK(refused(remove({theirs})) == Refused::not_found);
  REQUIRE(changed(run(by_other)));
  world->sql.exec("UPDATE group_memberships SET role = 'viewer' WHERE user_id = $1", other.text());
  out.device_ids = {theirs};
  REQUIRE(changed(run(out))); // their own, though they may only look
  world->sql.exec("UPDATE group_memberships SET role = 'admin' WHERE user_id = $1", other.text());
  out.device_ids = {migrated[0]};
  CHECK(changed(run(out)));
}

TEST_CASE_METHOD(GroupDevicesTest,
                 "a migrated device that is taken out is in its registration group again") {
  REQUIRE(group_id_of(migrated[0]) == "chen-family");
  REQUIRE(changed(remove({migrated[0]})));
  CHECK(group_id_of(migrated[0]) == "home");
  CHECK(group_id_of(migrated[1]) == "chen-family");
  // It was migrated once, and its registration group is not migrated twice; it may come back.
  CHECK(refused(migrate(command("home", user))) == Refused::already_migrated);
  REQUIRE(changed(add({migrated[0]})));
  CHECK(group_id_of(migrated[0]) == "chen-family");
  // Or go elsewhere, and be migrated there.
  REQUIRE(changed(remove({migrated[0]})));
  world->sql.exec("UPDATE devices SET group_id = 'lake' WHERE device_id = $1", migrated[0].text());
  REQUIRE(completed(migrate(named("lake", user, "Lake House"))));
  CHECK(group_id_of(migrated[0]) == "lake-house");
  // Back in the first group as well, its group_id is the one that it was migrated into last; and
  // out of that one, the first one's.
  REQUIRE(changed(add({migrated[0]})));
  CHECK(group_id_of(migrated[0]) == "lake-house");
  group = *Uuid::parse(
      world->sql.value<std::string>("SELECT id FROM groups WHERE slug = 'lake-house'"));
  REQUIRE(changed(remove({migrated[0]})));
  CHECK(group_id_of(migrated[0]) == "chen-family");
}

TEST_CASE_METHOD(GroupDevicesTest,
                 "a group or a device that another program deletes leaves no orphan") {
  const auto phone = phones("lake", 1, user)[0];
  REQUIRE(changed(add({phone})));
  world->sql.exec("DELETE FROM devices WHERE device_id = $1", migrated[1].text());
  CHECK(world->memberships() == 2);
  // With rights on the group alone.
  const std::string role =
      "eraser_" + std::to_string(world->sql.value<int>("SELECT pg_backend_pid()"));
  world->sql.exec("CREATE ROLE " + role + "; GRANT SELECT, DELETE ON groups TO " + role);
  world->sql.exec("SET ROLE " + role);
  world->sql.exec("DELETE FROM groups WHERE id = $1", group.text());
  world->sql.exec("RESET ROLE; REVOKE ALL ON groups FROM " + role + "; DROP ROLE " + role);
  CHECK(world->memberships() == 0);
  CHECK(world->group_members() == 0);
  CHECK(group_id_of(migrated[0]) == "chen-family"); // as they left it
  CHECK(group_id_of(phone) == "lake");
  const auto again = migrate(named("home", user, "Chen Family"));
  REQUIRE(completed(again));
  CHECK(completed(again)->device_ids == std::vector{migrated[0]});
}

TEST_CASE_METHOD(GroupDevicesTest, "a device that was moved by another program stays there") {
  world->sql.exec("UPDATE devices SET group_id = 'elsewhere' WHERE device_id = $1",
                  migrated[0].text());
  REQUIRE(changed(remove(migrated)));
  CHECK(group_id_of(migrated[0]) == "elsewhere");
  CHECK(group_id_of(migrated[1]) == "home");
}

TEST_CASE_METHOD(GroupDevicesTest, "several devices are added together or not at all") {
  const auto mine = phones("lake", 3, user);
  const auto theirs = phones("hut", 1, world->add_user())[0];
  const auto unknown = Uuid::random();
  const int before = world->memberships();
  const std::vector<Uuid> asked{mine[2], theirs, mine[0], migrated[0], unknown, mine[1]};
  const auto answer = add(asked);
  REQUIRE(refused(answer) == Refused::not_owner_of_device); // the first that stood in its way
  CHECK(verdicts(answer.get<domain::Refusal>().devices) ==
        std::vector<std::optional<Refused>>{Refused::not_owner_of_device, Refused::already_in_group,
                                            Refused::not_found});
  CHECK(world->memberships() == before);
  CHECK(changes() == 0);

  auto partial = change(Action::add, asked);
  partial.partial = true;
  const auto done = run(partial);
  REQUIRE(changed(done));
  CHECK(verdicts(changed(done)->results) ==
        std::vector<std::optional<Refused>>{std::nullopt, Refused::not_owner_of_device,
                                            std::nullopt, Refused::already_in_group,
                                            Refused::not_found, std::nullopt});
  CHECK(changed(done)->results[1].device_id == theirs);
  CHECK(world->memberships() == before + 3);
  CHECK(changed(remove(mine)));
  CHECK(world->memberships() == before);
}

TEST_CASE_METHOD(GroupDevicesTest, "a group takes no more devices than it may have") {
  world->sql.exec("UPDATE groups SET max_devices = 4");
  const auto mine = phones("lake", 3, user);
  const auto answer = add(mine);
  REQUIRE(refused(answer) == Refused::group_full);
  const auto& refusal = answer.get<domain::Refusal>();
  CHECK(refusal.authenticated_group_id == group);
  CHECK(refusal.device_count == 5);
  CHECK(refusal.limit == 4);
  CHECK(world->memberships() == 2);
  auto partial = change(Action::add, mine);
  partial.partial = true;
  const auto done = run(partial);
  REQUIRE(changed(done));
  CHECK(verdicts(changed(done)->results) ==
        std::vector<std::optional<Refused>>{std::nullopt, std::nullopt, Refused::group_full});
  CHECK(world->memberships() == 4);
}

TEST_CASE_METHOD(GroupDevicesTest, "two who want the last place do not both get it") {
  settings.lock_timeout = settings.statement_timeout =
      std::chrono::seconds{60}; // until both are there
  world->sql.exec("UPDATE groups SET max_devices = 3");
  const auto mine = phones("lake", 2, user);
  HeldTransaction holder{url};
  holder.exec("SELECT FROM groups FOR UPDATE");
  auto first = meanwhile(change(Action::add, {mine[0]}));
  auto second = meanwhile(change(Action::add, {mine[1]}));
  REQUIRE(somebody_waits("transactionid"));
  REQUIRE(somebody_waits("tuple"));
  holder.rollback();
  const auto answers = {first.get(), second.get()};
  CHECK(std::count_if(answers.begin(), answers.end(), changed) == 1);
  CHECK(std::count_if(answers.begin(), answers.end(), [](const domain::Answer& answer) {
          return refused(answer) == Refused::group_full;
        }) == 1);
  CHECK(world->memberships() == 3);
}

TEST_CASE_METHOD(GroupDevicesTest,
                 "a device is added after a migration of its registration group") {
  const auto mine = phones("lake", 2, user);
  HeldTransaction migration{url};
  hold_migration_of_lake(migration);
  auto adding = meanwhile(change(Action::add, {mine[0]}));
  REQUIRE(somebody_waits("advisory"));
  migration.commit();
  REQUIRE(changed(adding.get()));
  CHECK(groups_of(mine[0]) == 2);
  CHECK(group_id_of(mine[0]) == "lake-house");
}

TEST_CASE_METHOD(GroupDevicesTest, "a change that waits for too long changes nothing and says so") {
  settings.lock_timeout = std::chrono::milliseconds{100};
  const auto mine = phones("lake", 1, user);
  HeldTransaction migration{url};
  hold_migration_of_lake(migration);
  CHECK(refused(add(mine)) == Refused::lock_timeout);
  migration.rollback();
  CHECK(groups_of(mine[0]) == 0);
  CHECK(changed(add(mine)));
}

TEST_CASE_METHOD(GroupDevicesTest,
                 "a device does not return to a registration group that is being migrated") {
  phones("home", 1, user); // registered late
  world->sql.exec("UPDATE migration_audit_logs SET status = 'partial'");
  HeldTransaction migration{url};
  migration.exec("SELECT * FROM regroup_migrate_v2($1, $2, $3, 'home', 'Rest', 'rest', NULL, 100, "
                 "20, NULL, NULL)",
                 Uuid::random().text(), Uuid::random().text(), user.text());
  auto leaving = meanwhile(change(Action::remove, {migrated[0]}));
  REQUIRE(somebody_waits("advisory"));
  CHECK(group_id_of(migrated[0]) == "chen-family");
  migration.commit();
  REQUIRE(changed(leaving.get()));
  CHECK(group_id_of(migrated[0]) == "home");
}

TEST_CASE_METHOD(GroupDevicesTest, "a migration waits for a device that is being added") {
  const auto mine = phones("lake", 2, user);
  HeldTransaction holder{url};
  holder.exec("SELECT FROM groups FOR UPDATE");
  auto adding = meanwhile(change(Action::add, {mine[1]}));
  REQUIRE(somebody_waits("transactionid"));
  auto migrating = migrate_meanwhile(named("lake", user, "Lake House"));
  REQUIRE(somebody_waits("advisory"));
  holder.rollback();
  CHECK(changed(adding.get()));
  CHECK(completed(migrating.get()));
  CHECK(groups_of(mine[1]) == 2);
  CHECK(group_id_of(mine[1]) == "lake-house");
}

TEST_CASE_METHOD(GroupDevicesTest, "a device that moves while it is added is added where it is") {
  const auto mine = phones("lake", 1, user);
  HeldTransaction river{url};
  river.exec("SELECT pg_advisory_xact_lock(regroup_members_key('river'))");
  HeldTransaction moving{url};
  moving.exec("UPDATE devices SET group_id = 'river' WHERE device_id = $1", mine[0].text());
  auto adding = meanwhile(change(Action::add, mine));
  REQUIRE(somebody_waits("transactionid"));
  moving.commit();
  // It held the wrong registration group's lock, so it begins again and waits for the right one's.
  REQUIRE(somebody_waits("advisory"));
  river.rollback();
  CHECK(changed(adding.get()));
  CHECK(groups_of(mine[0]) == 1);
  CHECK(group_id_of(mine[0]) == "river");
}

TEST_CASE_METHOD(GroupDevicesTest, "an Idempotency-Key answers a change again") {
  const auto mine = phones("lake", 2, user);
  auto keyed = change(Action::add, {mine[0], Uuid::random()});
  keyed.partial = true;
  keyed.idempotency = domain::IdempotencyKey{"tap-1", "hash"};
  const auto first = run(keyed);
  REQUIRE(changed(first));
  CHECK_FALSE(changed(first)->replayed);
  const auto again = run(keyed);
  REQUIRE(changed(again));
  CHECK(changed(again)->replayed);
  CHECK(changed(again)->changed_at == changed(first)->changed_at);
  CHECK(verdicts(changed(again)->results) == verdicts(changed(first)->results));
  keyed.idempotency->request_hash = "another";
  CHECK(refused(run(keyed)) == Refused::idempotency_mismatch);
  // A refusal uses up no key.
  auto refused_once = change(Action::remove, {mine[1]});
  refused_once.idempotency = domain::IdempotencyKey{"tap-2", "hash"};
  CHECK(refused(run(refused_once)) == Refused::not_found);
  REQUIRE(changed(add({mine[1]})));
  CHECK_FALSE(changed(run(refused_once))->replayed);
}

TEST_CASE_METHOD(GroupDevicesTest, "of two with one Idempotency-Key one replays the other") {
  auto keyed = change(Action::add, phones("lake", 1, user));
  keyed.idempotency = domain::IdempotencyKey{"tap-1", "hash"};
  HeldTransaction holder{url};
  holder.exec("SELECT FROM groups FOR UPDATE");
  auto first = meanwhile(keyed);
  REQUIRE(somebody_waits("transactionid"));
  auto second = meanwhile(keyed);
  REQUIRE(somebody_waits("advisory"));
  holder.rollback();
  CHECK(changed(first.get())->replayed != changed(second.get())->replayed);
  CHECK(changes() == 1);
}

TEST_CASE_METHOD(GroupDevicesTest, "a user sees their groups, members and devices, page by page") {
  const auto other = world->add_user();
  join(other, "member");
  const auto phone = phones("lake", 3, user)[1];
  REQUIRE(changed(add({phone})));
  const auto ask = [&](const domain::Job& query) { return new_store()->execute(query); };

  const auto members = ask(domain::ListGroupMembers{other, group, {1, 1}, {}});
  REQUIRE(members.is<domain::Page<domain::GroupMember>>());
  const auto& page = members.get<domain::Page<domain::GroupMember>>();
  CHECK(page.total == 2);
  REQUIRE(page.items.size() == 1);
  CHECK(page.items[0].user_id == user);
  CHECK(page.items[0].role == "owner");
  CHECK(page.items[0].device_count == 2); // one of the two that were migrated, and one added
  CHECK(refused(ask(domain::ListGroupMembers{world->add_user(), group, {}, {}})) ==
        Refused::not_group_member);
  CHECK(refused(ask(domain::ListGroupMembers{user, Uuid::random(), {}, {}})) == Refused::not_found);

  const auto groups = [&](const Uuid& who, std::optional<Uuid> device) {
    const auto answer = ask(domain::ListGroups{who, device, {}, {}});
    return answer.get<domain::Page<domain::MyGroup>>();
  };
  REQUIRE(groups(user, phone).items.size() == 1);
  const auto mine = groups(user, phone).items[0];
  CHECK(mine.slug == "chen-family");
  CHECK(mine.device_count == 3);
  CHECK(mine.member_count == 2);
  CHECK(mine.has_current_device == true);
  CHECK(groups(other, Uuid::random()).items.at(0).has_current_device == false);
  CHECK(groups(user, std::nullopt).items.at(0).has_current_device); // some device of theirs
  CHECK_FALSE(groups(other, std::nullopt).items.at(0).has_current_device);
  CHECK(groups(world->add_user(), phone).total == 0);

  const auto of_device = ask(domain::ListGroupsOfDevice{user, phone, {}, {}});
  REQUIRE(of_device.is<domain::Page<domain::GroupOfDevice>>());
  CHECK(of_device.get<domain::Page<domain::GroupOfDevice>>().items.at(0).role == "owner");
  CHECK(refused(ask(domain::ListGroupsOfDevice{other, phone, {}, {}})) ==
        Refused::not_owner_of_device);
  CHECK(refused(ask(domain::ListGroupsOfDevice{user, Uuid::random(), {}, {}})) ==
        Refused::not_found);

  const auto devices = ask(domain::ListDevices{user, phone, {1, 100}, {}});
  REQUIRE(devices.is<domain::Page<domain::MyDevice>>());
  const auto& listed = devices.get<domain::Page<domain::MyDevice>>().items;
  REQUIRE(listed.size() == 4);
  CHECK(std::is_sorted(listed.begin(), listed.end(), [](const auto& left, const auto& right) {
    return left.device_id < right.device_id;
  }));
  for (const auto& each : listed)
    CHECK(each.is_current == (each.device_id == phone));

  const auto nobody = world->add_user(false);
  for (const domain::Job& query : {domain::Job{domain::ListGroupMembers{nobody, group, {}, {}}},
                                   domain::Job{domain::ListGroups{nobody, {}, {}, {}}},
                                   domain::Job{domain::ListGroupsOfDevice{nobody, phone, {}, {}}},
                                   domain::Job{domain::ListDevices{nobody, {}, {}, {}}}})
    CHECK(refused(ask(query)) == Refused::unauthorized);
  world->sql.exec("UPDATE groups SET is_active = false");
  CHECK(groups(user, phone).total == 0);
  CHECK(refused(ask(domain::ListGroupMembers{user, group, {}, {}})) == Refused::not_found);
}

TEST_CASE("devices come and go in a database that another program has made") {
  config::Settings::Database settings;
  settings.url = phone_manager_database(postgres());
  SilentLog log;
  domain::Metrics metrics;
  db::apply_schema(settings, log);
  TestStore store{settings, db::read_schema_facts(settings), log, metrics};
  Sql sql{settings.url};
  const auto user = Uuid::parse("00000000-0000-4000-8000-000000000001").value(); // owns "Lake"
  const auto group = Uuid::parse("00000000-0000-4000-a000-000000000001").value();
  const auto migrated = Uuid::parse("00000000-0000-4000-9000-000000000010").value();
  const auto hiker = Uuid::parse("00000000-0000-4000-9000-000000000015").value();
  const auto group_id_of = [&](const Uuid& device) {
    return sql.value<std::string>("SELECT group_id FROM devices WHERE device_id = $1",
                                  device.text());
  };
  ChangeGroupDevices change;
  change.change_id = Uuid::random();
  change.user_id = user;
  change.group_id = group;
  change.device_ids = {hiker};
  REQUIRE(changed(store.execute(std::make_shared<const ChangeGroupDevices>(change))));
  CHECK(group_id_of(hiker) == "hike-2025");
  change.action = Action::remove;
  change.change_id = Uuid::random();
  change.device_ids = {hiker, migrated};
  REQUIRE(changed(store.execute(std::make_shared<const ChangeGroupDevices>(change))));
  CHECK(group_id_of(hiker) == "hike-2025");
  CHECK(group_id_of(migrated) == "lake-2024");
  CHECK(sql.value<int>("SELECT count(*) FROM device_group_history") == 1); // its trigger fired
  const auto members = store.execute(domain::ListGroupMembers{user, group, {}, {}});
  REQUIRE(members.is<domain::Page<domain::GroupMember>>());
  CHECK(members.get<domain::Page<domain::GroupMember>>().items.at(0).display_name == "User 1");
}
