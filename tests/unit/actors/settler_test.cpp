#include "actors/settler.hpp"
#include "actors/system.hpp"
#include "support.hpp"

#include <catch2/catch.hpp>

#include <string>

using namespace regroup;
using namespace regroup::test;
using domain::Refused;

namespace {

class OpenOperations final : public domain::Metrics {
public:
  void unsettled(std::size_t operations) noexcept override { open = operations; }
  std::size_t open = 0;
};

/// A settler in front of a dispatcher that keeps every settlement until the test answers it.
class SettlerTest : public ActorTest {
public:
  ~SettlerTest() {
    caf::anon_send_exit(settler, caf::exit_reason::user_shutdown);
    caf::anon_send_exit(pool, caf::exit_reason::user_shutdown);
    run();
  }

  domain::MigrationPtr left_open(const std::string& group) {
    const auto migration = command(group);
    caf::anon_send(settler, actors::settle_atom::value, domain::Operation{migration});
    run();
    return migration;
  }
  std::size_t asked() const { return held_by(pool).jobs.size(); }
  const domain::Settle& question(std::size_t which = 0) const {
    return held_by(pool).jobs.at(which).get<domain::Settle>();
  }
  void wait(caf::timespan time) {
    pass(time);
    run();
  }

  OpenOperations open;
  HeldActor pool = spawn_held(system);
  actors::SettlerActor settler = actors::spawn_settler(system, pool, open);
};

} // namespace

TEST_CASE_METHOD(SettlerTest,
                 "what was answered 504 is asked about until it is settled, ever less often") {
  const auto migration = left_open("camping");
  for (const int seconds : {1, 2, 4, 8, 16, 30, 30}) {
    REQUIRE(asked() == 1);
    CHECK(std::get<domain::MigrationPtr>(question().operation) == migration);
    CHECK(question().deadline == now() + actors::settle_patience);
    CHECK(open.open == 1);
    answer(pool, refusal(Refused::timeout));
    wait(std::chrono::seconds{seconds} - 1ms);
    CHECK(asked() == 0);
    wait(1ms);
  }
  REQUIRE(asked() == 1);
  answer(pool, refusal(Refused::database_unavailable)); // it is certain now that it never happens
  wait(1min);
  CHECK(asked() == 0);
  CHECK(open.open == 0);
}

TEST_CASE_METHOD(SettlerTest, "what was found committed is not asked about again") {
  left_open("camping");
  answer(pool, completed());
  wait(1min);
  CHECK(asked() == 0);
  CHECK(open.open == 0);
}

TEST_CASE_METHOD(SettlerTest,
                 "a busy or lost dispatcher leaves it open, and few are asked at once") {
  for (const char* group : {"a", "b", "c", "d"})
    left_open(group);
  CHECK(asked() == actors::most_settled_at_once);
  CHECK(open.open == 4);
  answer(pool, refusal(Refused::overloaded));
  answer(pool, completed());
  CHECK(asked() == 2); // the other two
  answer(pool, completed());
  answer(pool, completed());
  CHECK(open.open == 1);
  wait(1s);
  REQUIRE(asked() == 1);
  caf::anon_send(pool, fail_atom::value);
  run();
  CHECK(open.open == 1);
  wait(2s);
  CHECK(asked() == 1);
}
