// Guarantees 1, 3, 4, 5 and 6: who is kept out by what.
#include "tests/db/support.hpp"

#include <catch2/catch.hpp>

#include <set>

using namespace regroup;
using namespace regroup::test;
using domain::Refused;

namespace {

constexpr auto kTryLock = "SELECT pg_try_advisory_xact_lock(regroup_lock_key($1))";

} // namespace

TEST_CASE_METHOD(DatabaseTest, "the lock's key is the contract's, in 64 bits") {
  const auto key = [&](const std::string& id) {
    return world->sql.value<std::int64_t>("SELECT regroup_lock_key($1)", id);
  };
  CHECK(key("camping-2025") == -5918583588527051083);
  CHECK(key("caf\xc3\xa9") == 4502947842879663027);
  CHECK(world->sql.value<bool>("SELECT hashtext('camping-130764') = hashtext('camping-131791')"));
  CHECK(key("camping-130764") != key("camping-131791"));
}

TEST_CASE_METHOD(DatabaseTest, "a lock held by another session answers in progress at once") {
  const auto user = world->add_user();
  world->add_devices("camping-2025", 3, user);
  HeldTransaction holder{url};
  REQUIRE(holder.exec(kTryLock, "camping-2025").at(0).at(0).as<bool>());
  // Were it waited for, this would end as a failure after the lock_timeout.
  const auto answer = migrate(command("camping-2025", user));
  CHECK(refused(answer) == Refused::in_progress);
  CHECK(world->audits("failed") == 0);
  holder.rollback();
  CHECK(completed(migrate(command("camping-2025", user))));
}

TEST_CASE_METHOD(DatabaseTest, "a migration under way holds the lock and its devices' rows") {
  const auto user = world->add_user();
  const auto devices = world->add_devices("camping-2025", 3, user);
  HeldTransaction holder{url};
  holder.exec("SELECT FROM devices WHERE device_id = $1 FOR UPDATE", devices[2].text());
  auto running = migrate_meanwhile(command("camping-2025", user));
  REQUIRE(somebody_waits("transactionid"));

  // Criterion 9: the advisory lock, by the two halves of its key.
  CHECK(
      world->sql.value<int>(
          "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1 "
          "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
          "AND (classid::bigint << 32 | objid::bigint) = regroup_lock_key('camping-2025')") == 1);
  // It waits for that row alone: another program may take the rows in another order.
  const auto free_rows = [&] {
    return world->sql.value<int>(
        "SELECT count(*) FROM (SELECT FROM devices FOR UPDATE SKIP LOCKED) free");
  };
  CHECK(free_rows() == 2);
  // And its own second request is refused meanwhile, from another connection.
  CHECK(refused(migrate(command("camping-2025", user))) == Refused::in_progress);

  // Criterion 10: all rows, once it has what it needs. A record that is not committed keeps it
  // there.
  HeldTransaction rogue{url};
  rogue.exec("INSERT INTO migration_audit_logs (user_id, registration_group_id, "
             "authenticated_group_id, status) VALUES ($1, 'camping-2025', $1, 'success')",
             user.text());
  holder.rollback();
  CHECK(eventually([&] { return free_rows() == 0; }));
  rogue.rollback();
  CHECK(completed(running.get()));
  CHECK(world->sql.value<int>("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == 0);
}

TEST_CASE_METHOD(DatabaseTest, "two groups whose hashtext is equal do not disturb each other") {
  const auto user = world->add_user();
  const auto held = world->add_devices("camping-130764", 1, user);
  world->add_devices("camping-131791", 1, user);
  HeldTransaction holder{url};
  holder.exec("SELECT FROM devices WHERE device_id = $1 FOR UPDATE", held[0].text());
  auto running = migrate_meanwhile(command("camping-130764", user));
  REQUIRE(somebody_waits("transactionid"));
  CHECK(completed(migrate(command("camping-131791", user))));
  holder.rollback();
  CHECK(completed(running.get()));
}

TEST_CASE_METHOD(DatabaseTest,
                 "who gets the lock right after the winner sees the winner's commit") {
  const auto user = world->add_user();
  world->add_devices("camping-2025", 3, user);
  // Whoever computes the key stops at this gate, inside the statement that will take the lock: the
  // winner commits while it stands there, after that statement's snapshot was taken.
  world->sql.exec("ALTER FUNCTION regroup_lock_key RENAME TO real_lock_key");
  world->sql.exec("CREATE FUNCTION regroup_lock_key(id text) RETURNS bigint LANGUAGE plpgsql AS "
                  "$$ BEGIN PERFORM pg_advisory_lock_shared(42); "
                  "PERFORM pg_advisory_unlock_shared(42); RETURN real_lock_key(id); END $$");
  HeldTransaction gate{url};
  gate.exec("SELECT pg_advisory_xact_lock(42)");
  auto late = migrate_meanwhile(command("camping-2025", user));
  REQUIRE(somebody_waits("advisory"));

  Sql winner{url};
  winner.exec("CREATE SCHEMA open; CREATE FUNCTION open.regroup_lock_key(id text) RETURNS bigint "
              "LANGUAGE sql AS 'SELECT public.real_lock_key(id)'; SET search_path = open, public");
  const auto won = domain::Uuid::random().text();
  CHECK(winner.value<std::string>(
            "SELECT outcome FROM regroup_migrate_v2($1, gen_random_uuid(), $2, 'camping-2025', "
            "'first', 'first', NULL, 100, 20, NULL, NULL)",
            won, user.text()) == "completed");
  gate.commit();
  CHECK(refused(late.get()) == Refused::already_migrated);
  CHECK(world->groups() == 1);
}

TEST_CASE_METHOD(DatabaseTest, "a writer that ignores the lock cannot make a second success") {
  const auto user = world->add_user();
  world->add_devices("camping-2025", 2, user);
  REQUIRE(completed(migrate(command("camping-2025", user))));
  CHECK_THROWS_AS(
      world->sql.exec("INSERT INTO migration_audit_logs (user_id, registration_group_id, "
                      "authenticated_group_id, status) VALUES ($1, 'camping-2025', $1, 'success')",
                      user.text()),
      pqxx::unique_violation);
}

TEST_CASE_METHOD(DatabaseTest, "a success written past the lock is found, and answered with") {
  const auto user = world->add_user();
  world->add_devices("camping-2025", 2, user);
  HeldTransaction rogue{url};
  rogue.exec("WITH made AS (INSERT INTO groups (name, slug, created_by) "
             "VALUES ('rogue', 'rogue', $1) RETURNING id) "
             "INSERT INTO migration_audit_logs (user_id, registration_group_id, "
             "authenticated_group_id, status) SELECT $1, 'camping-2025', id, 'success' FROM made",
             user.text());
  auto running = migrate_meanwhile(command("camping-2025", user));
  REQUIRE(somebody_waits("transactionid"));
  SECTION("the rogue commits") {
    rogue.commit();
    CHECK(refused(running.get()) == Refused::already_migrated);
    CHECK(world->groups() == 1);
    CHECK(world->devices_in("camping-2025") == 2);
  }
  SECTION("the rogue rolls back") {
    rogue.rollback();
    CHECK(completed(running.get()));
  }
}

TEST_CASE_METHOD(DatabaseTest, "equal names from different groups end with one of them refused") {
  const auto user = world->add_user();
  const auto deadlocks = [&] {
    return world->sql.value<int>("SELECT deadlocks FROM pg_stat_database "
                                 "WHERE datname = current_database()");
  };
  const int before = deadlocks();
  for (int round = 0; round < 20; ++round) {
    std::vector<std::future<domain::Answer>> running;
    for (int i = 0; i < 6; ++i) {
      const std::string group = "g" + std::to_string(round) + "-" + std::to_string(i);
      world->add_devices(group, 3, user);
      running.push_back(
          migrate_meanwhile(named(group, user, "Same name " + std::to_string(round))));
    }
    int won = 0;
    for (auto& each : running) {
      const auto answer = each.get();
      if (completed(answer))
        ++won;
      else
        CHECK(refused(answer) == Refused::group_name_exists);
    }
    CHECK(won == 1);
  }
  CHECK(deadlocks() == before);
}

TEST_CASE_METHOD(DatabaseTest,
                 "ten sessions at once make exactly one group, a hundred times over") {
  const auto user = world->add_user();
  std::vector<std::unique_ptr<TestStore>> stores;
  for (int i = 0; i < 10; ++i)
    stores.push_back(new_store());
  for (int round = 0; round < 100; ++round) {
    const std::string group = "storm-" + std::to_string(round);
    world->add_devices(group, 3, user);
    std::vector<std::future<domain::Answer>> running;
    for (auto& store : stores)
      running.push_back(std::async(
          std::launch::async, [&store, what = command(group, user)] { return run(*store, what); }));
    int won = 0;
    for (auto& each : running) {
      const auto answer = each.get();
      if (completed(answer))
        ++won;
      else
        CHECK(std::set{Refused::in_progress, Refused::already_migrated}.contains(refused(answer)));
    }
    REQUIRE(won == 1);
  }
  CHECK(world->groups() == 100);
  CHECK(world->memberships() == 300);
}

TEST_CASE_METHOD(DatabaseTest,
                 "a phone that registers waits for the migration, and disturbs none") {
  const auto user = world->add_user();
  const auto devices = world->add_devices("camping-2025", 2, user);
  const auto registration = [&] {
    domain::RegisterDevice late;
    late.device_id = domain::Uuid::random();
    late.display_name = "late";
    late.registration_group_id = "camping-2025";
    late.platform = "ios";
    late.deadline = std::chrono::steady_clock::now() + std::chrono::seconds{30};
    return new_store()->execute(late);
  };
  SECTION("the migration first") {
    HeldTransaction holder{url};
    holder.exec("SELECT FROM devices WHERE device_id = $1 FOR UPDATE", devices[1].text());
    auto running = migrate_meanwhile(command("camping-2025", user));
    REQUIRE(somebody_waits("transactionid"));
    auto registering = std::async(std::launch::async, registration);
    REQUIRE(somebody_waits("advisory"));
    CHECK(world->devices_in("camping-2025") == 2);
    holder.rollback();
    const auto answer = running.get();
    REQUIRE(completed(answer));
    CHECK(completed(answer)->device_ids.size() == 2);
    CHECK(refused(registering.get()) == Refused::already_migrated); // it came too late
  }
  SECTION("the phone first") {
    HeldTransaction phone{url};
    phone.exec("SELECT * FROM regroup_register_device_v2(gen_random_uuid(), 'early', "
               "'camping-2025', 'ios', NULL, NULL)");
    auto running = migrate_meanwhile(command("camping-2025", user));
    REQUIRE(somebody_waits("advisory")); // it does not say `in progress`: nobody is migrating
    phone.commit();
    const auto answer = running.get();
    REQUIRE(completed(answer));
    CHECK(completed(answer)->device_ids.size() == 3);
  }
}
