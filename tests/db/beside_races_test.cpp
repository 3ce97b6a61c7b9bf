// The original backend's transactions beside Regroup's, on the same rows: no deadlock, one owner.
#include "tests/db/beside_support.hpp"

#include <catch2/catch.hpp>

#include <random>

using namespace regroup;
using namespace regroup::test;
using namespace std::chrono_literals;
using Action = domain::ChangeGroupDevices::Action;
using domain::Refused;

namespace {

class RaceTest : public OriginalTest {
public:
  int deadlocks() {
    return world->sql.value<int>("SELECT deadlocks FROM pg_stat_database "
                                 "WHERE datname = current_database()");
  }
  bool somebody_waits() {
    return world->sql.value<bool>("SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = "
                                  "current_database() AND wait_event_type = 'Lock')");
  }
  /// Until it has ended, or waits for a lock.
  void let_go(const std::future<domain::Answer>& job) {
    REQUIRE(eventually(
        [&] { return job.wait_for(0s) == std::future_status::ready || somebody_waits(); }));
  }
};

} // namespace

TEST_CASE_METHOD(RaceTest, "their migration that is committed while ours waits is found") {
  const auto steps = GENERATE(range(1, OriginalMigrate::kSteps + 1));
  const auto name = GENERATE("camping", "Ours");
  INFO(steps << " steps, then ours to " << name);
  phones("camping", 4);
  OriginalMigrate theirs{url, ben.text(), "camping", "camping"};
  theirs.steps(steps);
  const int before = deadlocks();
  auto ours = meanwhile(command("camping", ada, name));
  let_go(ours);
  bool won = false;
  try {
    theirs.finish();
  } catch (const pqxx::unique_violation&) { // ours was first
    won = true;
    theirs.rollback();
  }
  const auto answer = ours.get();
  if (won) {
    CHECK(completed(answer));
  } else {
    CHECK(refused(answer) == Refused::already_migrated);
    CHECK(as<domain::Refusal>(answer).authenticated_group_id->text() == theirs.group());
  }
  if (steps == OriginalMigrate::kSteps || (steps == 3))
    CHECK_FALSE(won); // its rows were locked, or its record written
  CHECK(world->groups() == 1);
  CHECK(deadlocks() == before);
}

TEST_CASE_METHOD(RaceTest,
                 "two hundred of their migrations and ours, interleaved, have one owner") {
  const auto seed = std::random_device{}();
  INFO("seed " << seed);
  std::minstd_rand random{seed};
  const auto pick = [&](int most) { return std::uniform_int_distribution<int>{0, most}(random); };
  const auto store = new_store();
  const int before = deadlocks();
  int ours_won = 0;
  for (int round = 0; round < 200; ++round) {
    const std::string string = "camp-" + std::to_string(round);
    const auto devices = phones(string, 3);
    const bool same_name = pick(1) == 0;
    const bool they_give_up = pick(4) == 0;
    const int steps = pick(OriginalMigrate::kSteps);
    OriginalMigrate theirs{url, ben.text(), string, same_name ? string : string + "-theirs"};
    theirs.steps(steps);
    auto ours = store->begin(command(string, ada));
    const auto goes_on = pick(2); // at once, or when ours has ended or waits
    if (goes_on != 0)
      let_go(ours);
    bool theirs_won = false;
    try {
      if (they_give_up) {
        theirs.rollback();
      } else {
        theirs.finish();
        theirs_won = true;
      }
    } catch (const pqxx::unique_violation&) {
      theirs.rollback();
    }
    const auto answer = ours.get();
    INFO("round " << round << ", " << steps << " steps, " << (same_name ? "same" : "other")
                  << " name, they give up: " << they_give_up);
    if (!completed(answer))
      REQUIRE(refused(answer) == Refused::already_migrated);
    REQUIRE(theirs_won != (completed(answer) != nullptr));
    ours_won += completed(answer) ? 1 : 0;
    REQUIRE(world->sql.value<int>("SELECT count(*) FROM migration_audit_logs "
                                  "WHERE registration_group_id = $1",
                                  string) == 1);
    REQUIRE(world->sql.value<int>("SELECT count(DISTINCT d.group_id) FROM devices d "
                                  "WHERE d.device_id = ANY ($1::uuid[])",
                                  "{" + devices[0].text() + "," + devices[1].text() + "," +
                                      devices[2].text() + "}") == 1);
  }
  CHECK(ours_won > 0);
  CHECK(ours_won < 200);
  CHECK(deadlocks() == before);
}

TEST_CASE_METHOD(RaceTest, "their removal of a device beside ours of fifty meets no deadlock") {
  const auto devices = phones("camping", 50);
  world->sql.exec("UPDATE devices SET owner_user_id = '" + ada.text() + "'");
  const auto group = migrated(command("camping", ada)).authenticated_group_id.text();
  const auto store = new_store();
  const int before = deadlocks();
  std::minstd_rand random{std::random_device{}()};
  for (int round = 0; round < 60; ++round) {
    const bool is_held = round % 3 == 0;
    const auto& device = devices[random() % devices.size()];
    std::optional<HeldTransaction> phone;
    if (is_held) {
      phone.emplace(url);
      phone->exec("UPDATE devices SET last_seen_at = now() WHERE device_id = $1", device.text());
    }
    auto ours = store->begin(change(Action::remove, group, ada, devices));
    auto theirs = std::async(std::launch::async, [&] {
      Sql{url}.exec("DELETE FROM device_group_memberships WHERE device_id = $1 AND group_id = $2",
                    device.text(), group);
    });
    if (is_held) {
      let_go(ours);
      theirs.wait();
      phone->commit();
    }
    theirs.get();
    const auto answer = ours.get();
    const bool done = is<domain::GroupDevicesChanged>(answer);
    if (!done) // theirs was first, and fifty are all or nothing
      REQUIRE(refused(answer) == Refused::not_found);
    world->sql.exec("INSERT INTO device_group_memberships (device_id, group_id, added_by) "
                    "SELECT device_id, $1, $2 FROM devices ON CONFLICT DO NOTHING",
                    group, ada.text());
    world->sql.exec("UPDATE devices SET group_id = 'camping'");
  }
  CHECK(deadlocks() == before);
}

TEST_CASE_METHOD(RaceTest, "their other transactions beside ours meet no deadlock") {
  const auto devices = phones("camping", 6);
  world->sql.exec("UPDATE devices SET owner_user_id = '" + ada.text() + "', is_primary = true");
  const auto part =
      migrated(command("camping", ada, "Tent", {devices[0], devices[1]})).authenticated_group_id;
  const int before = deadlocks();

  SECTION("a device that they add to the group into which we migrate it") {
    HeldTransaction adding{url};
    adding.exec("INSERT INTO device_group_memberships (device_id, group_id, added_by) "
                "VALUES ($1, $2, $3)",
                devices[2].text(), part.text(), ada.text());
    auto rest = *command("camping", ada);
    rest.into_group = true;
    rest.authenticated_group_id = part;
    auto ours =
        meanwhile(domain::MigrationPtr{std::make_shared<const domain::MigrationCommand>(rest)});
    let_go(ours);
    adding.exec("SELECT FROM devices WHERE device_id = $1 FOR UPDATE", devices[5].text());
    adding.commit();
    CHECK(completed(ours.get()));
  }
  SECTION("a user's primary devices, in an order of their own") {
    HeldTransaction linking{url};
    linking.exec("UPDATE devices SET is_primary = false WHERE device_id = $1", devices[5].text());
    auto ours = meanwhile(command("camping", ada, "Rest"));
    let_go(ours);
    linking.exec("UPDATE devices SET is_primary = false WHERE device_id = $1", devices[3].text());
    linking.exec("UPDATE devices SET is_primary = false WHERE device_id = $1", devices[2].text());
    linking.commit();
    CHECK(completed(ours.get()));
  }
  SECTION("the same beside a change of the group's devices") {
    HeldTransaction linking{url};
    linking.exec("UPDATE devices SET is_primary = false WHERE device_id = $1", devices[5].text());
    auto ours =
        meanwhile(change(Action::add, part.text(), ada, {devices.begin() + 2, devices.end()}));
    let_go(ours);
    linking.exec("UPDATE devices SET is_primary = false WHERE device_id = $1", devices[2].text());
    linking.commit();
    CHECK(is<domain::GroupDevicesChanged>(ours.get()));
  }
  SECTION("a transfer of the ownership beside an undo") {
    world->sql.exec("INSERT INTO group_memberships (group_id, user_id, role) VALUES ($1, $2, "
                    "'member')",
                    part.text(), ben.text());
    HeldTransaction transfer{url};
    transfer.exec("UPDATE group_memberships SET role = 'owner' WHERE user_id = $1", ben.text());
    auto undo = std::make_shared<domain::UndoCommand>();
    undo->undo_id = domain::Uuid::time_ordered();
    undo->authenticated_group_id = part;
    undo->user_id = ada;
    undo->registration_group_id = "camping";
    undo->window = 1h;
    undo->deadline = std::chrono::steady_clock::now() + 30s;
    auto ours = meanwhile(domain::UndoPtr{undo});
    CHECK(refused(ours.get()) == Refused::group_modified);
    transfer.exec("UPDATE group_memberships SET role = 'admin' WHERE user_id = $1", ada.text());
    transfer.commit();
  }
  CHECK(deadlocks() == before);
}
