// The lane of callers who are not known: however many there are, one at a time is at the database.
#include "tests/unit/actors/support.hpp"

#include <catch2/catch.hpp>

using namespace regroup;
using namespace regroup::test;
using domain::Refused;

namespace {

struct LaneTest : ActorTest {
  LaneTest() {
    dispatcher =
        actors::spawn_lane(system, caf::actor_cast<actors::DispatcherActor>(database), {10ms, 3});
    run();
  }
  ~LaneTest() {
    caf::anon_send_exit(dispatcher, caf::exit_reason::user_shutdown);
    caf::anon_send_exit(database, caf::exit_reason::user_shutdown);
    run();
  }

  ReplyPtr check_key() { return execute(domain::CheckApiKey{"hash", now() + 30s}); }
  std::size_t at_database() { return held_by(database).jobs.size(); }

  HeldActor database = spawn_held(system);
};

} // namespace

TEST_CASE_METHOD(LaneTest, "one job at a time goes on, and none sooner than the pause") {
  const auto first = check_key();
  const auto second = check_key();
  run();
  CHECK(at_database() == 1);
  answer(database, domain::Answer{domain::ApiKeyFacts{1, false}});
  run();
  CHECK(first->answer.value().is<domain::ApiKeyFacts>());
  CHECK(at_database() == 0); // the pause
  pass(10ms);
  run();
  CHECK(at_database() == 1);
  pass(10ms);
  run();
  answer(database, domain::Answer{domain::ApiKeyFacts{2, false}});
  run();
  CHECK(second->answer);
}

TEST_CASE_METHOD(LaneTest, "what finds no room or came too late is refused without the database") {
  const auto first = check_key();
  std::vector<ReplyPtr> waiting{check_key(), check_key(), check_key()};
  run();
  const auto beyond = check_key();
  run();
  CHECK(beyond->refused(Refused::overloaded));
  pass(31s);
  answer(database, domain::Answer{domain::ApiKeyFacts{1, false}});
  run();
  pass(10ms);
  run();
  for (const auto& each : waiting)
    CHECK(each->refused(Refused::timeout));
  CHECK(at_database() == 0);
}

TEST_CASE_METHOD(LaneTest, "a job whose dispatcher failed is answered, and the next one goes on") {
  const auto first = check_key();
  const auto second = check_key();
  run();
  caf::anon_send(database, fail_atom::value);
  run();
  CHECK(first->refused(Refused::database_unavailable));
  pass(10ms);
  run();
  CHECK(at_database() == 1);
  answer(database, domain::Answer{domain::ApiKeyFacts{1, false}});
  run();
  CHECK(second->answer);
}
