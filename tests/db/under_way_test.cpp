// Jobs that are begun without waiting for their answers. Most of what a migration does is tested
// so: DatabaseTest::migrate() begins it where it can.
#include "tests/db/support.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace regroup;
using namespace regroup::test;
using Came = domain::Store::Came;

namespace {

class UnderWayTest : public DatabaseTest {
public:
  UnderWayTest() : user(world->add_user()), devices(world->add_devices("camping-2025", 3, user)) {
    store = open_store();
  }

  /// Somebody else has it, and the migration waits.
  void hold(HeldTransaction& holder) {
    holder.exec("SELECT FROM devices WHERE device_id = $1 FOR UPDATE", devices[0].text());
  }
  static bool can_be_read(int socket) {
    pollfd polled{socket, POLLIN, 0};
    return ::poll(&polled, 1, 0) == 1;
  }
  int sessions() {
    return world->sql.value<int>("SELECT count(*) FROM pg_stat_activity WHERE datname = "
                                 "current_database() AND pid <> pg_backend_pid()");
  }

  domain::Uuid user;
  std::vector<domain::Uuid> devices;
  std::unique_ptr<WholeStore> store;
};

} // namespace

TEST_CASE_METHOD(UnderWayTest, "a migration under way is asked without waiting, until it is done") {
  HeldTransaction holder{url};
  hold(holder);
  const auto what = command("camping-2025", user);
  const auto socket = store->begin(what);
  REQUIRE(socket);
  REQUIRE(somebody_waits("transactionid"));
  CHECK_FALSE(can_be_read(*socket));
  CHECK(store->proceed().came == Came::not_all);
  holder.rollback();
  REQUIRE(eventually([&] { return can_be_read(*socket); }));
  const auto progressed = store->proceed();
  REQUIRE(progressed.came == Came::answer);
  REQUIRE(completed(progressed.answer));
  CHECK(completed(progressed.answer)->migration_id == what->migration_id);
  CHECK(world->audits("success") == 1);
  // And the connection is as good as new.
  CHECK(refused(run(*store, command("camping-2025", user))) == domain::Refused::already_migrated);
}

TEST_CASE_METHOD(UnderWayTest, "an answer that comes in parts is put together") {
  world->sql.exec(
      "CREATE FUNCTION test_talk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
      "RAISE INFO 'half'; PERFORM pg_advisory_xact_lock(4711); RETURN NEW; END $$; "
      "CREATE TRIGGER test_talk BEFORE INSERT ON groups FOR EACH ROW EXECUTE FUNCTION test_talk()");
  HeldTransaction holder{url};
  holder.exec("SELECT pg_advisory_xact_lock(4711)");
  const auto socket = store->begin(command("camping-2025", user));
  REQUIRE(socket);
  REQUIRE(eventually([&] { return can_be_read(*socket); }));
  CHECK(store->proceed().came == Came::not_all);
  CHECK_FALSE(can_be_read(*socket));
  holder.rollback();
  REQUIRE(eventually([&] { return can_be_read(*socket); }));
  auto progressed = store->proceed();
  REQUIRE(progressed.came == Came::answer);
  CHECK(completed(progressed.answer));
}

TEST_CASE_METHOD(UnderWayTest, "what would have to be waited for is not begun") {
  SECTION("the connection") { CHECK_FALSE(new_store()->begin(command("camping-2025", user))); }
  SECTION("another one, when it has died") {
    world->sql.exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()");
    REQUIRE(eventually([&] { return sessions() == 0; }));
    CHECK_FALSE(store->begin(command("camping-2025", user)));
  }
  SECTION("room for a long list") {
    std::vector<domain::Uuid> many(200);
    std::generate(many.begin(), many.end(), domain::Uuid::random);
    CHECK_FALSE(store->begin(command("camping-2025", user, many)));
  }
  SECTION("several trips") {
    CHECK_FALSE(store->begin(domain::CheckHealth{std::chrono::steady_clock::now()}));
  }
  CHECK(world->groups() == 0);
  CHECK(completed(store->execute(command("camping-2025", user))));
}

TEST_CASE_METHOD(UnderWayTest, "a begun migration that fails needs time, and leaves a failed row") {
  world->raise_at_device(2);
  const auto socket = store->begin(command("camping-2025", user));
  REQUIRE(socket);
  REQUIRE(eventually([&] { return can_be_read(*socket); }));
  REQUIRE(store->proceed().came == Came::needs_time);
  CHECK(refused(store->finish()) == domain::Refused::internal);
  CHECK(world->groups() == 0);
  CHECK(world->audits("failed") == 1);
  world->raise_no_more();
  CHECK(completed(run(*store, command("camping-2025", user))));
}

TEST_CASE_METHOD(UnderWayTest, "a begun migration whose backend is ended is settled") {
  HeldTransaction holder{url};
  hold(holder);
  const auto socket = store->begin(command("camping-2025", user));
  REQUIRE(socket);
  REQUIRE(somebody_waits("transactionid"));
  world->sql.exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                  "WHERE datname = current_database() AND wait_event = 'transactionid'");
  REQUIRE(eventually([&] { return can_be_read(*socket); }));
  // Its last word may come before the end of the connection.
  REQUIRE(eventually([&] { return store->proceed().came == Came::needs_time; }));
  holder.rollback();
  CHECK(refused(store->finish()) == domain::Refused::database_unavailable);
  CHECK(world->groups() == 0);
  CHECK(world->audits("failed") == 1);
}

TEST_CASE_METHOD(UnderWayTest, "a store that ends with a migration under way ends its session") {
  HeldTransaction holder{url};
  hold(holder);
  REQUIRE(store->begin(command("camping-2025", user)));
  REQUIRE(somebody_waits("transactionid"));
  store.reset(); // does not wait for the answer
  holder.rollback();
  // COMMIT had been sent: PostgreSQL ends what it was given, all of it or nothing.
  CHECK(eventually([&] { return sessions() == 1; })); // the holder's
  CHECK(world->groups() == world->audits("success"));
}
