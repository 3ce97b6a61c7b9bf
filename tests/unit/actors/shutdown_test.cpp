#include "support.hpp"

#include <catch2/catch.hpp>

using namespace regroup::test;
using regroup::domain::Refused;
constexpr auto shutdown = caf::exit_reason::user_shutdown;

TEST_CASE_METHOD(ActorTest, "a directory that is told to exit ends its idle groups and itself") {
  spawn_dispatcher({.pool_size = 1, .queue_limit = 10});
  spawn_directory(dispatcher);
  for (const auto* id : {"camping", "sailing"}) {
    migrate(id);
    run();
    answer(workers[0], completed());
  }
  end(directory.address(), shutdown);
  CHECK_FALSE(alive(directory));
  auto late = migrate("camping"); // reaches nobody: an error, not silence
  run();
  CHECK(late->error);
  end(dispatcher.address(), shutdown);
  CHECK_FALSE(alive(workers[0]));
  CHECK(running() == running_before);
}

TEST_CASE_METHOD(ActorTest, "the directory's exit lets what runs come to its outcome") {
  spawn_dispatcher({.pool_size = 1, .queue_limit = 10});
  spawn_directory(dispatcher);
  auto running_one = migrate("camping");
  auto queued = migrate("sailing");
  run();
  end(directory.address(), shutdown);
  auto late = migrate("rowing");
  auto second = migrate("camping");
  run();
  CHECK(late->refused(Refused::shutting_down));
  CHECK(second->refused(Refused::shutting_down));
  CHECK(alive(directory));
  answer(workers[0], completed());
  answer(workers[0], completed());
  CHECK(running_one->completed());
  CHECK(queued->completed());
  CHECK_FALSE(alive(directory));
  end(dispatcher.address(), shutdown);
  CHECK(running() == running_before);
}

TEST_CASE_METHOD(ActorTest,
                 "a request routed before the directory's exit is answered by its group") {
  spawn_dispatcher({.pool_size = 1, .queue_limit = 10});
  spawn_directory(dispatcher);
  auto reply = migrate("camping");
  step(); // the client asks
  REQUIRE(scheduler.prioritize(directory));
  step(); // the request is in the mailbox of a new group
  end(directory.address(), shutdown);
  answer(workers[0], completed());
  CHECK(reply->completed());
  CHECK_FALSE(alive(directory));
}

TEST_CASE_METHOD(ActorTest, "a request that waits for a group to end is answered at the exit") {
  spawn_dispatcher({.pool_size = 1, .queue_limit = 10});
  spawn_directory(dispatcher);
  migrate("camping");
  run();
  answer(workers[0], completed());
  const auto actor = group("camping");
  pass(31s);
  REQUIRE(scheduler.prioritize(directory));
  step(); // the idle check is in the group's mailbox
  REQUIRE(scheduler.prioritize(actor));
  step(); // the idle notice is first in the directory's mailbox
  auto reply = migrate("camping");
  scheduler.run_once_lifo(); // the request behind it
  for (int message = 0; message < 2; ++message) {
    REQUIRE(scheduler.prioritize(directory));
    step();
  }
  REQUIRE(directory_state().groups.at("camping").waiting.size() == 1);
  caf::anon_send_exit(directory, shutdown);
  REQUIRE(scheduler.prioritize(directory));
  step();
  run();
  CHECK(reply->refused(Refused::shutting_down));
  CHECK_FALSE(alive(directory));
}

TEST_CASE_METHOD(ActorTest,
                 "a dispatcher that is told to exit refuses its queue and ends its pool") {
  spawn_dispatcher({.pool_size = 2, .queue_limit = 10});
  auto first = execute(command("a"));
  run();
  auto second = execute(command("b"));
  run();
  auto queued = execute(command("c"));
  run();
  end(dispatcher.address(), shutdown);
  CHECK(queued->refused(Refused::shutting_down));
  auto late = execute(command("d"));
  run();
  CHECK(late->refused(Refused::shutting_down));
  answer(workers[0], completed());
  CHECK(second->completed());
  CHECK_FALSE(alive(workers[0]));
  CHECK(alive(dispatcher));
  answer(workers[1], completed());
  CHECK(first->completed());
  CHECK_FALSE(alive(dispatcher));
  CHECK(running() == running_before);
}

TEST_CASE_METHOD(ActorTest, "a worker that dies during the exit leaves its migration in doubt") {
  spawn_dispatcher({.pool_size = 1, .queue_limit = 10});
  const auto migration = command("a");
  auto reply = execute(migration);
  run();
  end(dispatcher.address(), shutdown);
  caf::anon_send(workers[0], leave_atom::value);
  run();
  REQUIRE(reply->refused(Refused::timeout));
  CHECK(reply->refusal().migration_id == migration->migration_id);
  CHECK(workers.size() == 1);
  CHECK(running() == running_before);
}

TEST_CASE_METHOD(ActorTest, "a dispatcher whose pool waits to be filled again ends at once") {
  spawn_dispatcher({.pool_size = 1, .queue_limit = 10});
  end(workers[0].address(), caf::exit_reason::kill);
  auto queued = execute(command("a"));
  run();
  end(dispatcher.address(), shutdown);
  CHECK(queued->refused(Refused::shutting_down));
  CHECK(running() == running_before);
  pass(1min); // the message that was to fill it finds nobody
  run();
  CHECK(workers.size() == 1);
}

TEST_CASE_METHOD(ActorTest, "no worker is made any more while the dispatcher ends") {
  spawn_dispatcher({.pool_size = 2, .queue_limit = 10});
  auto reply = execute(command("a"));
  run();
  end(workers[0].address(), caf::exit_reason::kill);
  end(dispatcher.address(), shutdown);
  pass(1min); // the message that was to fill the pool is due
  run();
  CHECK(workers.size() == 2);
  answer(workers[1], completed());
  CHECK(reply->completed());
  CHECK(running() == running_before);
}

TEST_CASE_METHOD(ActorTest,
                 "directory and dispatcher told to exit together answer all that is open") {
  spawn_dispatcher({.pool_size = 1, .queue_limit = 10});
  spawn_directory(dispatcher);
  auto running_one = migrate("camping");
  run();
  auto queued = migrate("sailing");
  run();
  auto unseen = migrate("rowing"); // still with its client
  caf::anon_send_exit(directory, shutdown);
  caf::anon_send_exit(dispatcher, shutdown);
  run();
  CHECK(queued->refused(Refused::shutting_down));
  CHECK(unseen->refused(Refused::shutting_down));
  answer(workers[0], completed());
  CHECK(running_one->completed());
  CHECK(running() == running_before);
}
