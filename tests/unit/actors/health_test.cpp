#include "actors/health.hpp"
#include "support.hpp"

#include <catch2/catch.hpp>

using namespace regroup;
using namespace regroup::test;
using domain::Refused;

namespace {

constexpr auto kPatience = 2s;

/// A health actor in front of a dispatcher that keeps every check until it is let go.
class HealthTest : public ActorTest {
public:
  ~HealthTest() {
    caf::anon_send_exit(health, caf::exit_reason::user_shutdown);
    caf::anon_send_exit(pool, caf::exit_reason::user_shutdown);
    run();
  }

  ReplyPtr probe() {
    auto reply = check(health, {now() + kPatience});
    run();
    return reply;
  }
  std::size_t asked() const { return held_by(pool).jobs.size(); }
  static bool healthy(const ReplyPtr& reply) {
    return reply->answer && reply->answer->is<domain::Healthy>();
  }

  HeldActor pool = spawn_held(system);
  actors::HealthActor health = actors::spawn_health(system, pool);
};

} // namespace

TEST_CASE_METHOD(HealthTest, "probes at once share one check, and all hear its answer") {
  const auto one = probe();
  const auto other = probe();
  CHECK(asked() == 1);
  answer(pool, domain::Answer{domain::Healthy{}});
  CHECK(healthy(one));
  CHECK(healthy(other));
  probe();
  CHECK(asked() == 1); // a new one: the first was let go
}

TEST_CASE_METHOD(HealthTest, "while the database is silent probes take two places and no more") {
  std::vector<ReplyPtr> probes;
  for (int second = 0; second < 60; ++second) {
    probes.push_back(probe());
    pass(1s);
    run();
  }
  CHECK(asked() == actors::most_silent_checks);
  CHECK(probes.back()->refused(Refused::database_unavailable));
  // It speaks again: every silent check ends, and the next probe asks anew.
  answer(pool, domain::Answer{domain::Healthy{}});
  answer(pool, domain::Answer{domain::Healthy{}});
  const auto after = probe();
  REQUIRE(asked() == 1);
  answer(pool, domain::Answer{domain::Healthy{}});
  CHECK(healthy(after));
}

TEST_CASE_METHOD(HealthTest, "a check whose worker is lost means not ready") {
  const auto lost = probe();
  caf::anon_send(pool, fail_atom::value);
  run();
  CHECK(lost->refused(Refused::database_unavailable));
}

TEST_CASE_METHOD(HealthTest, "a health actor that ends keeps no probe waiting") {
  const auto open = probe();
  caf::anon_send_exit(health, caf::exit_reason::user_shutdown);
  run();
  CHECK(open->refused(Refused::shutting_down));
}
