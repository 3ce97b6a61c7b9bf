#include "actors/pool.hpp"

#include <catch2/catch.hpp>

#include <set>

using regroup::actors::Pool;
using namespace std::chrono_literals;

namespace {

struct PoolTest {
  explicit PoolTest(Pool::Id places = 4) {
    for (Pool::Id place = 1; place <= places; ++place)
      pool.add(place);
  }
  /// Whether some place may try now, and how that ends.
  bool connect(bool how) {
    const auto place = pool.begin_connecting(now);
    if (place)
      pool.tried(*place, how, now);
    return place.has_value();
  }
  void connect(int count) {
    for (int each = 0; each < count; ++each)
      REQUIRE(connect(true));
  }

  Pool pool;
  Pool::Time now{1h};
};

} // namespace

TEST_CASE_METHOD(PoolTest, "a place without a connection gets no job") {
  CHECK_FALSE(pool.take());
  CHECK_FALSE(pool.has_connection());
  connect(1);
  const auto place = pool.take();
  REQUIRE(place);
  CHECK_FALSE(pool.take());
  CHECK(pool.has_connection());
  pool.put_back(*place, true);
  CHECK(pool.take() == place);
  pool.put_back(*place, false); // it broke
  CHECK_FALSE(pool.take());
  CHECK_FALSE(pool.has_connection());
}

TEST_CASE_METHOD(PoolTest, "the place that became idle last is taken first") {
  connect(3);
  const auto first = pool.take();
  const auto second = pool.take();
  pool.put_back(*first, true);
  pool.put_back(*second, true);
  CHECK(pool.take() == second);
  CHECK(pool.take() == first);
}

TEST_CASE_METHOD(PoolTest, "one place tries to connect at a time") {
  const auto place = pool.begin_connecting(now);
  REQUIRE(place);
  CHECK_FALSE(pool.begin_connecting(now + 1h));
  pool.tried(*place, true, now);
  CHECK(pool.begin_connecting(now));
}

TEST_CASE_METHOD(PoolTest, "after a failure no place tries, for a pause that grows up to a limit") {
  auto longest = 0ms;
  for (int failures = 0; failures < 12; ++failures) {
    REQUIRE(connect(false));
    CHECK_FALSE(connect(true));
    const auto next = pool.next_try(now);
    REQUIRE(next);
    const auto pause = std::chrono::duration_cast<std::chrono::milliseconds>(*next - now);
    CHECK(pause >= Pool::first_pause / 2);
    CHECK(pause <= Pool::longest_pause);
    longest = std::max(longest, pause);
    CHECK_FALSE(pool.begin_connecting(*next - 1ms));
    now = *next;
  }
  CHECK(longest >= Pool::longest_pause / 2);
  connect(1);
  CHECK_FALSE(pool.next_try(now)); // a success ends it at once
  REQUIRE(connect(false));
  CHECK(*pool.next_try(now) - now <= Pool::first_pause);
}

TEST_CASE_METHOD(PoolTest, "a place that cannot connect is never taken before one that has") {
  connect(2);
  for (int job = 0; job < 100; ++job) {
    connect(false);
    now += 2s;
    const auto place = pool.take();
    REQUIRE(place);
    pool.put_back(*place, true);
  }
  CHECK(pool.idle() == 2);
}

TEST_CASE_METHOD(PoolTest, "doubted places prove themselves before the next job") {
  connect(3);
  const auto busy = *pool.take();
  const auto doubted = pool.doubt_idle();
  REQUIRE(doubted.size() == 2);
  CHECK_FALSE(pool.take());
  CHECK(pool.has_connection());
  pool.tried(doubted[0], true, now);
  pool.tried(doubted[1], false, now);
  CHECK(pool.take() == doubted[0]);
  CHECK_FALSE(pool.take());
  CHECK(pool.begin_connecting(now)); // a proof that failed is no try: there is no pause
  pool.put_back(busy, false);
  CHECK(pool.busy() == 1);
}

TEST_CASE_METHOD(PoolTest, "a place that ends while it tries leaves the try to another one") {
  const auto place = *pool.begin_connecting(now);
  pool.remove(place, now);
  pool.tried(place, true, now); // a late word of it
  CHECK(pool.size() == 3);
  CHECK_FALSE(pool.begin_connecting(now));
  now += Pool::longest_pause;
  CHECK(pool.begin_connecting(now));
}

TEST_CASE_METHOD(PoolTest, "each place is counted once, wherever it is") {
  connect(2);
  const auto busy = *pool.take();
  const auto trying = *pool.begin_connecting(now);
  CHECK(pool.size() == 4);
  CHECK(pool.busy() == 1);
  CHECK(pool.is_busy(busy));
  CHECK_FALSE(pool.is_busy(trying));
  CHECK(pool.without_job() == 3);
  for (const Pool::Id place : {busy, trying})
    pool.remove(place, now);
  CHECK(pool.size() == 2);
  CHECK(pool.busy() == 0);
}
