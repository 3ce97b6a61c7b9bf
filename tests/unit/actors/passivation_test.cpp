#include "support.hpp"

#include <catch2/catch.hpp>

#include <random>

using namespace regroup::test;
using regroup::domain::Refused;

namespace {

class PassivationTest : public ActorTest {
public:
  PassivationTest() : to(spawn_held(system)) {
    workers.push_back(to);
    spawn_directory(to);
  }
  /// Asked once, and as it was before.
  void asked(const std::string& group) {
    migrate(group);
    run();
    answer(to, refusal(Refused::no_devices));
  }
  /// The idle checks that fall due are in their groups' mailboxes.
  void pass_until_checked(caf::timespan time) {
    pass(time);
    let_run(directory);
  }
  template <class Handle> void let_run(const Handle& actor) {
    REQUIRE(scheduler.prioritize(actor));
    step();
  }
  std::size_t groups() { return directory_state().groups.size(); }
  std::size_t timers() { return scheduler.clock().schedule().size(); }

  HeldActor to;
};

} // namespace

TEST_CASE_METHOD(PassivationTest, "a group that is idle for long enough is released") {
  asked("camping");
  const auto actor = group("camping");
  pass(29s);
  run();
  CHECK(alive(actor));
  pass(1s);
  run();
  CHECK_FALSE(alive(actor));
  CHECK(groups() == 0);
  CHECK(directory_state().names.empty());
  asked("camping");
  CHECK(group("camping") != actor);
}

TEST_CASE_METHOD(PassivationTest, "a group that was asked meanwhile is idle from that moment on") {
  asked("camping");
  const auto actor = group("camping");
  pass(20s);
  asked("camping");
  pass(20s);
  run();
  CHECK(alive(actor));
  pass(10s);
  run();
  CHECK_FALSE(alive(actor));
}

TEST_CASE_METHOD(PassivationTest, "groups that fall idle within a moment share one timer") {
  for (const auto* group : {"camping", "sailing", "skiing"}) {
    asked(group);
    pass(100ms);
  }
  CHECK(timers() == 1);
  pass(29'700ms); // the first of them
  run();
  CHECK(groups() == 2);
  CHECK(timers() == 1);
  pass(500ms); // a 64th of the 30 s after it
  run();
  CHECK(groups() == 0);
  CHECK(timers() == 0);
}

TEST_CASE_METHOD(PassivationTest, "a check that is due sooner than the armed one is in time") {
  asked("camping");
  pass(1s);
  asked("camping");
  pass(28'900ms);
  asked("sailing");
  pass(100ms);
  run(); // camping is idle in a second, sailing's check is due in 29.9
  CHECK(groups() == 2);
  pass(1s);
  run();
  CHECK(groups() == 1);
  pass(28'900ms);
  run();
  CHECK(groups() == 0);
  CHECK(timers() == 0);
}

TEST_CASE_METHOD(PassivationTest, "a group is not idle while a migration runs, however long") {
  asked("camping");
  pass(25s);
  auto reply = migrate("camping");
  run();
  pass(10s); // the check that was armed falls due
  run();
  auto other = migrate("camping"); // the group is there to refuse it at once
  run();
  CHECK(other->refused(Refused::in_progress));
  pass(1h);
  run();
  CHECK(groups() == 1);
  answer(to, completed());
  CHECK(reply->completed());
  pass(30s);
  run();
  CHECK(groups() == 0);
}

TEST_CASE_METHOD(PassivationTest, "a group is not idle while somebody waits for the record") {
  migrate("camping");
  run();
  answer(to, completed());
  pass(25s);
  auto reply = migrate("camping");
  run();
  pass(10s);
  run();
  CHECK(groups() == 1);
  answer(to, recalled(held_by(to).jobs.at(0)));
  CHECK(reply->refused(Refused::already_migrated));
  pass(30s);
  run();
  CHECK(groups() == 0);
}

TEST_CASE_METHOD(PassivationTest, "a request in a group's mailbox before its idle check wins") {
  asked("camping");
  const auto actor = group("camping");
  auto reply = migrate("camping");
  step();                  // the client asks the directory
  let_run(directory);      // the request is in the group's mailbox
  pass_until_checked(31s); // and the idle check behind it
  run();
  CHECK(alive(actor));
  answer(to, completed());
  CHECK(reply->completed());
}

TEST_CASE_METHOD(PassivationTest, "an idle notice that lost the race to a request is ignored") {
  asked("camping");
  const auto actor = group("camping");
  pass_until_checked(31s);
  auto reply = migrate("camping");
  scheduler.run_once_lifo(); // the client asks: first in the directory's mailbox
  let_run(actor);            // the group says idle, with a count that is now stale
  let_run(directory);        // the directory routes the request
  CHECK(directory_state().groups.at("camping").routed == 2);
  let_run(directory); // and reads the notice
  CHECK_FALSE(directory_state().groups.at("camping").retiring);
  run();
  CHECK(alive(actor));
  REQUIRE(held_by(to).jobs.size() == 1);
  answer(to, completed());
  CHECK(reply->completed());
  pass(30s); // and the group says so again
  run();
  CHECK(groups() == 0);
}

TEST_CASE_METHOD(PassivationTest,
                 "a request behind the idle notice waits for the group that follows") {
  asked("camping");
  const auto actor = group("camping");
  pass_until_checked(31s);
  let_run(actor); // the notice is first in the directory's mailbox
  auto reply = migrate("camping");
  scheduler.run_once_lifo(); // the request behind it
  let_run(directory);        // the group is told to retire
  let_run(directory);        // the request finds it retiring
  CHECK(alive(actor));
  CHECK(directory_state().groups.at("camping").waiting.size() == 1);
  run();
  CHECK_FALSE(alive(actor));
  CHECK(group("camping") != actor);
  REQUIRE(held_by(to).jobs.size() == 1);
  answer(to, completed());
  CHECK(reply->completed());
}

TEST_CASE_METHOD(PassivationTest, "of several requests that wait for a group to end one is run") {
  asked("camping");
  pass_until_checked(31s);
  let_run(group("camping"));
  std::vector<ReplyPtr> replies;
  for (int client = 0; client < 3; ++client) {
    replies.push_back(migrate("camping"));
    scheduler.run_once_lifo();
  }
  run();
  answer(to, completed());
  CHECK(std::count_if(replies.begin(), replies.end(),
                      [](const auto& reply) { return reply->completed(); }) == 1);
  CHECK(std::count_if(replies.begin(), replies.end(),
                      [](const auto& reply) { return reply->refused(Refused::in_progress); }) == 2);
}

// Every order of messages and timers that a seed can produce, the same in each run. After each
// message the base class checks that no group has two live actors.
TEST_CASE_METHOD(PassivationTest, "in hundreds of random interleavings no request is lost") {
  std::size_t told = 0;
  for (unsigned seed = 1; seed <= 300; ++seed) {
    INFO("seed " << seed);
    std::mt19937 random{seed};
    auto below = [&random](unsigned limit) { return random() % limit; };
    const auto outcome = [this](bool undone) { // of the job that is held for the longest time
      const auto& job = held_by(to).jobs.at(0);
      if (!job.is<regroup::domain::RecallMigration>())
        return completed();
      return undone ? nothing_recalled() : recalled(job);
    };
    std::vector<ReplyPtr> replies;
    while (replies.size() < 30) {
      if (below(6) == 0)
        replies.push_back(migrate(below(2) == 0 ? "camping" : "sailing"));
      if (below(4) == 0)
        pass(std::chrono::seconds{below(32)});
      auto& jobs = scheduler.jobs;
      if (!jobs.empty())
        std::swap(jobs.front(), jobs.at(below(static_cast<unsigned>(jobs.size()))));
      step();
      // One at a time: the answer is made for the job that is the first now.
      if (!held_by(to).jobs.empty() && held_by(to).told == told && below(3) == 0) {
        caf::anon_send(to, answer_atom::value, std::size_t{0}, outcome(below(3) == 0));
        ++told;
      }
      if (below(8) == 0)
        run();
    }
    run();
    for (; !held_by(to).jobs.empty(); ++told)
      answer(to, outcome(false));
    for (const auto& reply : replies)
      REQUIRE((reply->completed() || reply->refused(Refused::in_progress) ||
               reply->refused(Refused::already_migrated)));
    pass(30s);
    run();
    REQUIRE(groups() == 0);
  }
}
