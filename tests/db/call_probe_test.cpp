// What a migration needs of a new connection, tried now and then.
#include "db/call_probe.hpp"
#include "tests/db/support.hpp"

#include <catch2/catch.hpp>

#include <atomic>

using namespace regroup;
using namespace regroup::test;
using namespace std::chrono_literals;

namespace {

struct ProbeTest : DatabaseTest {
  /// As when a package has replaced the library under the server: the database's new sessions
  /// cannot load it.
  void take_library_away() {
    world->sql.exec(
        "UPDATE pg_proc SET probin = '$libdir/not-there' WHERE proname LIKE 'plpgsql%'");
  }
  void bring_library_back() {
    world->sql.exec("UPDATE pg_proc SET probin = '$libdir/plpgsql' WHERE proname LIKE 'plpgsql%'");
  }

  std::atomic<int> good{0}, bad{0};
  db::CallProbe::Verdict count = [this](bool works) { ++(works ? good : bad); };
};

} // namespace

TEST_CASE_METHOD(ProbeTest, "a server that cannot call a function on a new connection is noticed") {
  db::CallProbe probe{settings, std::make_shared<db::Servers>(settings), count, log, 20ms};
  CHECK(eventually([&] { return good > 2; }));
  CHECK(bad == 0);
  take_library_away();
  CHECK(eventually([&] { return bad > 2; }));
  bring_library_back();
  const int before = good;
  CHECK(eventually([&] { return good > before + 2; }));
}

TEST_CASE_METHOD(ProbeTest, "where no new connection is to be had the probe says nothing") {
  const auto name = world->sql.value<std::string>("SELECT current_database()");
  world->sql.exec("CREATE ROLE no_room_" + name + " LOGIN CONNECTION LIMIT 0");
  auto none = settings;
  none.url += " user=no_room_" + name;
  db::CallProbe probe{none, std::make_shared<db::Servers>(none), count, log, 5ms};
  // Ten tries of another one later it has had its own.
  db::CallProbe other{settings, std::make_shared<db::Servers>(settings), [this](bool) { ++good; },
                      log, 50ms};
  REQUIRE(eventually([&] { return good > 10; }));
  other.stop();
  probe.stop();
  CHECK(bad == 0);
  CHECK(good > 0);
}

TEST_CASE_METHOD(ProbeTest, "a probe ends although the server says nothing") {
  Postgres silent;
  settings.url = silent.url();
  settings.connect_timeout = 60s;
  db::CallProbe probe{settings, std::make_shared<db::Servers>(settings), count, log, 1ms};
  REQUIRE(eventually([&] { return bad > 0; })); // the function is not there
  silent.stop_signal();
  probe.stop();
  silent.continue_signal();
}
