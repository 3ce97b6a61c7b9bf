// A server that was stopped says nothing more, and its kernel goes on acknowledging.
#include "db/patience.hpp"
#include "tests/db/support.hpp"

#include <catch2/catch.hpp>
#include <sys/socket.h>

#include <array>
#include <atomic>

using namespace regroup;
using namespace regroup::test;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

namespace {

struct SocketTest {
  SocketTest() { REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) == 0); }
  ~SocketTest() {
    ::close(ends[0]);
    ::close(ends[1]);
  }
  bool is_shut() {
    pollfd polled{ends[0], POLLIN, 0};
    return ::poll(&polled, 1, 0) > 0;
  }

  std::array<int, 2> ends{};
  db::Patience patience{0ms};
};

/// A server of its own, which can be stopped; and somebody who listens, as the dispatcher does.
class FrozenTest : public DatabaseTest {
public:
  FrozenTest() : DatabaseTest(server()) {
    settings.statement_timeout = 300ms;
    settings.connect_timeout = 1s;
    user = world->add_user();
    devices = world->add_devices("camping-2025", 3, user);
    store = new_store();
    REQUIRE(store->connect());
    listener = std::thread{[this] {
      while (!ending) {
        store->end_silence();
        std::this_thread::sleep_for(20ms);
      }
    }};
  }
  ~FrozenTest() {
    ending = true;
    listener.join();
    server().continue_signal();
  }
  static Postgres& server() {
    static Postgres own;
    return own;
  }

  domain::Uuid user;
  std::vector<domain::Uuid> devices;
  std::unique_ptr<TestStore> store;
  std::atomic<bool> ending{false};
  std::thread listener;
};

} // namespace

TEST_CASE_METHOD(SocketTest, "a wait that is over is ended, and no other") {
  patience.watch(ends[0]);
  CHECK_FALSE(patience.end_if_over(false)); // nobody waits
  patience.allow(Clock::now() + 1h, 1h);
  patience.begin();
  CHECK_FALSE(patience.end_if_over(false));
  CHECK_FALSE(is_shut());
  SECTION("its own limit") { patience.allow(Clock::now() + 1h, -1h); }
  SECTION("its job's limits, of which the deadline is the first") {
    patience.allow(Clock::now(), 1h);
    patience.begin();
    CHECK(eventually([&] { return patience.end_if_over(false); }));
    CHECK(patience.was_silent());
    CHECK(is_shut());
    return;
  }
  SECTION("a server that was replaced") {
    CHECK(patience.end_if_over(true));
    CHECK_FALSE(patience.was_silent());
    CHECK(is_shut());
    return;
  }
  patience.begin();
  CHECK(patience.end_if_over(false));
  CHECK(patience.was_silent());
  CHECK(is_shut());
}

TEST_CASE_METHOD(SocketTest, "a connection that is forgotten is not ended") {
  patience.allow(Clock::now(), -1h);
  patience.watch(ends[0]);
  patience.begin();
  patience.end();
  CHECK_FALSE(patience.end_if_over(true));
  patience.begin();
  patience.forget();
  CHECK_FALSE(patience.end_if_over(true));
  CHECK_FALSE(is_shut());
}

TEST_CASE_METHOD(FrozenTest, "a migration that a frozen server has is given up, and in doubt") {
  const auto what = command("camping-2025", user);
  server().stop_signal();
  const auto how = store->work(what, false);
  REQUIRE(std::holds_alternative<domain::Left>(how.ran));
  const auto left = std::get<domain::Left>(how.ran).job;
  REQUIRE(left.is<domain::Settle>());
  CHECK(how.silent);
  CHECK_FALSE(how.connected);
  CHECK_FALSE(store->connect()); // and that ends as well
  server().continue_signal();
  REQUIRE(eventually([&] { return store->connect(); }));
  const auto settled = std::get<domain::Answer>(store->work(left, false).ran);
  // It lay in the frozen server's socket: it ran, or the settlement was first.
  CHECK((completed(settled) || refused(settled) == domain::Refused::database_unavailable));
  CHECK(world->groups() == (completed(settled) ? 1 : 0));
}

TEST_CASE_METHOD(FrozenTest, "a read that a frozen server has is left for another connection") {
  server().stop_signal();
  const domain::Job job = domain::ListDevices{user, {}, {}, Clock::now() + 30s};
  const auto how = store->work(job, false);
  REQUIRE(std::holds_alternative<domain::Left>(how.ran));
  CHECK(std::get<domain::Left>(how.ran).job.is<domain::ListDevices>());
  CHECK(how.silent);
}

TEST_CASE_METHOD(FrozenTest, "an idle connection to a frozen server cannot prove itself") {
  CHECK(store->connect()); // it can
  server().stop_signal();
  CHECK_FALSE(store->connect());
}
