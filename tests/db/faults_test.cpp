// Guarantees 2, 6, 7 and 8 as one store sees them: failures, lost connections, COMMITs in doubt.
#include "db/transaction.hpp"
#include "tests/db/support.hpp"

#include <asio/co_spawn.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/use_future.hpp>
#include <catch2/catch.hpp>

using namespace regroup;
using namespace regroup::test;
using domain::Refused;
using namespace std::chrono_literals;

namespace {

void nothing_but_a_failed_row(World& world, const std::string& group, int devices) {
  CHECK(world.groups() == 0);
  CHECK(world.group_members() == 0);
  CHECK(world.memberships() == 0);
  CHECK(world.devices_in(group) == devices);
  CHECK(world.audits("success") == 0);
  CHECK(world.audits("failed") == 1);
}

/// Ends the backend of whoever commits a migration, while it is committing.
void kill_at_commit(World& world) {
  world.sql.exec("CREATE FUNCTION test_kill() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                 "IF NEW.status = 'success' THEN PERFORM pg_terminate_backend(pg_backend_pid()); "
                 "END IF; RETURN NULL; END $$; "
                 "CREATE CONSTRAINT TRIGGER test_kill AFTER INSERT ON migration_audit_logs "
                 "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION test_kill()");
}

const char* kLock = "SELECT pg_advisory_xact_lock(regroup_lock_key($1))";

db::Task<void> lock_and_wait(db::Session& session, asio::steady_timer& thaw) {
  co_await session.connect();
  db::Transaction transaction{session};
  const db::Statement lock{"test_lock", kLock};
  db::Parameters parameters{"camping-2025"};
  co_await transaction.run(lock, std::move(parameters));
  co_await thaw.async_wait(asio::use_awaitable);
}

} // namespace

TEST_CASE_METHOD(DatabaseTest, "a failure at device 5 of 10 leaves nothing but a failed row") {
  const auto user = world->add_user();
  world->add_devices("camping-2025", 10, user);
  world->raise_at_device(5);
  const auto what = command("camping-2025", user);
  CHECK(refused(migrate(what)) == Refused::internal);
  nothing_but_a_failed_row(*world, "camping-2025", 10);
  CHECK(world->failure_code() == "server/internal");
  CHECK(world->sql.value<std::string>("SELECT id FROM regroup_operations") ==
        what->migration_id.text());
  // And somebody wins: the group is not refused for good.
  world->raise_no_more();
  CHECK(completed(migrate(command("camping-2025", user))));
}

TEST_CASE_METHOD(DatabaseTest,
                 "a row held for longer than lock_timeout is a lock timeout, not a defect") {
  const auto user = world->add_user();
  const auto devices = world->add_devices("camping-2025", 2, user);
  settings.lock_timeout = 50ms;
  HeldTransaction holder{url};
  holder.exec("SELECT FROM devices WHERE device_id = $1 FOR UPDATE", devices[0].text());
  CHECK(refused(migrate(command("camping-2025", user))) == Refused::lock_timeout);
  nothing_but_a_failed_row(*world, "camping-2025", 2);
  CHECK(world->failure_code() == "server/lock-timeout");
}

TEST_CASE_METHOD(DatabaseTest, "a statement that takes too long is ended by statement_timeout") {
  const auto user = world->add_user();
  world->add_devices("camping-2025", 2, user);
  world->sql.exec("CREATE FUNCTION test_slow() RETURNS trigger LANGUAGE plpgsql AS "
                  "$$ BEGIN PERFORM pg_sleep(60); RETURN NEW; END $$; CREATE TRIGGER test_slow "
                  "BEFORE INSERT ON groups FOR EACH ROW EXECUTE FUNCTION test_slow()");
  settings.statement_timeout = 100ms;
  CHECK(refused(migrate(command("camping-2025", user))) == Refused::database_unavailable);
  nothing_but_a_failed_row(*world, "camping-2025", 2);
}

TEST_CASE_METHOD(DatabaseTest, "a connection that died while idle is replaced before BEGIN") {
  const auto user = world->add_user();
  world->add_devices("camping-2025", 2, user);
  const auto store = new_store();
  const auto healthy = [&] {
    return store->execute(domain::CheckHealth{std::chrono::steady_clock::now()})
        .is<domain::Healthy>();
  };
  REQUIRE(healthy());
  const auto others = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                      "WHERE datname = current_database() AND pid <> pg_backend_pid()";
  const auto are_gone = [&] {
    return world->sql.value<int>("SELECT count(*) FROM pg_stat_activity WHERE datname = "
                                 "current_database() AND pid <> pg_backend_pid()") == 0;
  };
  REQUIRE(world->sql.value<int>(others) == 1);
  REQUIRE(eventually(are_gone)); // one that is at work when it is ended is in doubt
  CHECK(completed(run(*store, command("camping-2025", user))));
  world->sql.exec(others);
  CHECK(healthy());
}

TEST_CASE_METHOD(DatabaseTest, "a migration whose backend is ended while it waits never happens") {
  const auto user = world->add_user();
  const auto devices = world->add_devices("camping-2025", 2, user);
  HeldTransaction holder{url};
  holder.exec("SELECT FROM devices WHERE device_id = $1 FOR UPDATE", devices[0].text());
  auto running = migrate_meanwhile(command("camping-2025", user));
  REQUIRE(somebody_waits("transactionid"));
  world->sql.exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                  "WHERE datname = current_database() AND wait_event = 'transactionid'");
  holder.rollback();
  // Its COMMIT had left as well: only the settlement can tell that it was not run.
  CHECK(refused(running.get()) == Refused::database_unavailable);
  nothing_but_a_failed_row(*world, "camping-2025", 2);
  CHECK(completed(migrate(command("camping-2025", user))));
}

TEST_CASE_METHOD(DatabaseTest, "a COMMIT that broke and did not commit is told as it was") {
  const auto user = world->add_user();
  world->add_devices("camping-2025", 3, user);
  kill_at_commit(*world);
  CHECK(refused(migrate(command("camping-2025", user))) == Refused::database_unavailable);
  nothing_but_a_failed_row(*world, "camping-2025", 3);
  world->sql.exec("DROP TRIGGER test_kill ON migration_audit_logs");
  CHECK(completed(migrate(command("camping-2025", user))));
}

TEST_CASE_METHOD(DatabaseTest, "a migration in doubt that did commit is found by its id") {
  const auto user = world->add_user();
  const auto devices = world->add_devices("camping-2025", 3, user);
  const auto what = command("camping-2025", user);
  REQUIRE(completed(migrate(what)));
  const auto answer = new_store()->execute(domain::Settle{what, what->deadline});
  REQUIRE(completed(answer));
  CHECK(completed(answer)->device_ids == devices);
  CHECK(world->audits("failed") == 0);
}

TEST_CASE_METHOD(DatabaseTest, "doubt is not resolved while the old backend may still commit") {
  const auto user = world->add_user();
  world->add_devices("camping-2025", 3, user);
  const auto what = command("camping-2025", user);
  // The old backend: everything is written, its COMMIT is on the way.
  HeldTransaction old{url};
  CHECK(
      old.exec("SELECT outcome FROM regroup_migrate_v2($1, $2, $3, 'camping-2025', 'n', 'n', NULL, "
               "100, 20, NULL, NULL)",
               what->migration_id.text(), what->authenticated_group_id.text(), user.text())
          .at(0)
          .at(0)
          .as<std::string>() == "completed");
  SECTION("it commits in the end") {
    auto resolving = std::async(std::launch::async, [&] {
      return new_store()->execute(domain::Settle{what, what->deadline});
    });
    REQUIRE(somebody_waits("advisory"));
    old.commit();
    CHECK(completed(resolving.get()));
  }
  SECTION("it rolls back in the end") {
    auto resolving = std::async(std::launch::async, [&] {
      return new_store()->execute(domain::Settle{what, what->deadline});
    });
    REQUIRE(somebody_waits("advisory"));
    old.rollback();
    CHECK(refused(resolving.get()) == Refused::database_unavailable);
  }
  SECTION("it outlasts the request: nobody guesses") {
    settings.lock_timeout = 20ms;
    auto hurried = *what;
    hurried.deadline = std::chrono::steady_clock::now() + 200ms;
    const auto deadline = hurried.deadline;
    const auto answer = new_store()->execute(domain::Settle{
        std::make_shared<const domain::MigrationCommand>(std::move(hurried)), deadline});
    REQUIRE(refused(answer) == Refused::timeout);
    CHECK(answer.get<domain::Refusal>().migration_id == what->migration_id);
    CHECK(world->audits("failed") == 0);
  }
}

TEST_CASE_METHOD(DatabaseTest,
                 "a session that freezes inside its transaction gives the lock back") {
  const auto user = world->add_user();
  world->add_devices("camping-2025", 2, user);
  settings.idle_in_transaction_timeout = 100ms;
  auto& connector = StoreLoop::instance().connector();
  db::Session frozen{settings, std::make_shared<db::Servers>(settings), connector, log, metrics};
  asio::steady_timer thaw{connector.loop(), std::chrono::steady_clock::time_point::max()};
  auto ended = asio::co_spawn(connector.loop(), lock_and_wait(frozen, thaw), asio::use_future);
  REQUIRE(eventually([&] {
    return world->sql.value<int>("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' "
                                 "AND granted") > 0;
  }));
  // Nothing more comes from it; PostgreSQL ends it.
  CHECK(eventually([&] { return completed(migrate(command("camping-2025", user))) != nullptr; }));
  asio::post(connector.loop(), [&] { thaw.cancel(); });
  CHECK_THROWS(ended.get());
}

TEST_CASE_METHOD(DatabaseTest, "no database is unavailable, and back again without a new store") {
  const auto user = world->add_user();
  world->add_devices("camping-2025", 2, user);
  const auto store = new_store();
  world->sql.exec("SELECT 1");
  postgres().kill9();
  CHECK(refused(run(*store, command("camping-2025", user))) == Refused::database_unavailable);
  postgres().restart();
  CHECK(
      eventually([&] { return completed(run(*store, command("camping-2025", user))) != nullptr; }));
}
