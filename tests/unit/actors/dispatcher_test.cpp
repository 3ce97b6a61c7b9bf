#include "support.hpp"

#include <catch2/catch.hpp>

using namespace regroup::test;
using namespace regroup::domain;
using regroup::actors::DispatcherSettings;

namespace {

class DispatcherTest : public ActorTest {
public:
  MigrationPtr last; // the migration asked for last

  ReplyPtr ask(const std::string& group) {
    last = command(group);
    auto reply = execute(last);
    run();
    return reply;
  }
  ReplyPtr ask_to(Job job) {
    auto reply = execute(std::move(job));
    run();
    return reply;
  }
  const Job& job_of(const HeldActor& worker) { return held_by(worker).jobs.at(0); }
  MigrationPtr migration_of(const HeldActor& worker) {
    return job_of(worker).shared<MigrationCommand>();
  }
  void leave(const HeldActor& worker) {
    caf::anon_send(worker, leave_atom::value);
    run();
  }
  void refill() {
    pass(regroup::actors::refill_pause);
    run();
  }
};

} // namespace

TEST_CASE_METHOD(DispatcherTest, "a job goes to the worker that became idle last") {
  spawn_dispatcher({.pool_size = 2, .queue_limit = 1});
  REQUIRE(workers.size() == 2);
  for (int round = 0; round < 3; ++round) {
    auto reply = ask("camping");
    answer(workers[1], completed());
    CHECK(reply->completed());
  }
  ask("camping");
  auto other = ask("sailing");
  answer(workers[0], completed());
  CHECK(other->completed());
  ask("rowing");
  CHECK(held_by(workers[0]).jobs.size() == 1);
}

TEST_CASE_METHOD(DispatcherTest, "jobs are run in the order in which they came") {
  spawn_dispatcher({.pool_size = 1, .queue_limit = 2});
  ask("a");
  ask("b");
  ask("c");
  CHECK(migration_of(workers[0])->registration_group_id == "a");
  answer(workers[0], completed());
  CHECK(migration_of(workers[0])->registration_group_id == "b");
  answer(workers[0], completed());
  CHECK(migration_of(workers[0])->registration_group_id == "c");
}

TEST_CASE_METHOD(DispatcherTest, "a full queue is overloaded at once, and recovers") {
  spawn_dispatcher({.pool_size = 1, .queue_limit = 2});
  auto first = ask("a");
  auto second = ask("b");
  auto third = ask("c");
  auto fourth = ask("d");
  CHECK(fourth->refused(Refused::overloaded));
  CHECK_FALSE(third->answer);
  answer(workers[0], completed());
  CHECK(first->completed());
  auto fifth = ask("e");
  CHECK_FALSE(fifth->answer);
  for (const auto& reply : {second, third, fifth}) {
    answer(workers[0], completed());
    CHECK(reply->completed());
  }
}

TEST_CASE_METHOD(DispatcherTest, "without a queue a job is refused unless a worker is idle") {
  spawn_dispatcher({.pool_size = 1, .queue_limit = 0});
  auto first = ask("a");
  CHECK(ask("b")->refused(Refused::overloaded));
  answer(workers[0], completed());
  CHECK(first->completed());
}

TEST_CASE_METHOD(DispatcherTest, "a job whose deadline passed in the queue is not run") {
  spawn_dispatcher({.pool_size = 1, .queue_limit = 2});
  auto running = ask("a");
  auto late = ask("b");
  const auto migration = last;
  auto late_read = ask_to(CheckHealth{.deadline = now() + 5s});
  pass(30s);
  auto in_time = ask("c"); // and they make room in the queue: it is not overloaded
  CHECK_FALSE(in_time->answer);
  REQUIRE(late->refused(Refused::timeout));
  CHECK(late->refusal().migration_id == migration->migration_id);
  REQUIRE(late_read->refused(Refused::timeout));
  CHECK_FALSE(late_read->refusal().migration_id);
  answer(workers[0], completed());
  CHECK(running->completed());
  CHECK(migration_of(workers[0])->registration_group_id == "c");
}

TEST_CASE_METHOD(DispatcherTest, "a job that is too late when a worker becomes idle is not run") {
  spawn_dispatcher({.pool_size = 1, .queue_limit = 2});
  ask("a");
  auto late = ask("b");
  pass(30s);
  answer(workers[0], completed());
  CHECK(late->refused(Refused::timeout));
  CHECK(held_by(workers[0]).jobs.empty());
}

TEST_CASE_METHOD(DispatcherTest,
                 "a worker that dies in a migration is replaced, and the outcome looked up") {
  spawn_dispatcher({.pool_size = 1, .queue_limit = 5});
  ask("earlier");
  answer(workers[0], completed());
  auto reply = ask("camping");
  const auto migration = last;
  auto queued = ask("sailing");
  leave(workers[0]);
  REQUIRE(workers.size() == 2);
  CHECK_FALSE(reply->answer);
  // first of all, before what was queued
  CHECK(std::get<MigrationPtr>(job_of(workers[1]).get<Settle>().operation) == migration);
  answer(workers[1], completed(migration));
  REQUIRE(reply->completed());
  CHECK(reply->answer->get<MigrationCompleted>().migration_id == migration->migration_id);
  answer(workers[1], completed());
  CHECK(queued->completed());
  CHECK(dispatcher_state().places.size() == 1);
}

TEST_CASE_METHOD(DispatcherTest,
                 "a worker that answers with an error is replaced and never asked again") {
  spawn_dispatcher({.pool_size = 1, .queue_limit = 5});
  ask("earlier");
  answer(workers[0], completed());
  auto reply = ask("camping");
  caf::anon_send(workers[0], fail_atom::value);
  run();
  REQUIRE(workers.size() == 2);
  CHECK_FALSE(alive(workers[0]));
  answer(workers[1], refusal(Refused::database_unavailable)); // it did not commit: that is known
  CHECK(reply->refused(Refused::database_unavailable));
}

TEST_CASE_METHOD(DispatcherTest, "an undo whose worker dies is looked up, and never run twice") {
  spawn_dispatcher({.pool_size = 1, .queue_limit = 5});
  ask("earlier");
  answer(workers[0], completed());
  regroup::domain::UndoCommand command{};
  command.deadline = now() + 30s;
  const auto undo = std::make_shared<const regroup::domain::UndoCommand>(command);
  auto reply = execute(undo);
  run();
  leave(workers[0]);
  REQUIRE(workers.size() == 2);
  CHECK(std::get<regroup::domain::UndoPtr>(job_of(workers[1]).get<Settle>().operation) == undo);
  leave(workers[1]); // and the look-up with its worker: nobody knows
  CHECK(reply->refused(Refused::timeout));
}

TEST_CASE_METHOD(DispatcherTest,
                 "a change of devices whose worker dies is settled, not run again") {
  spawn_dispatcher({.pool_size = 2, .queue_limit = 5});
  ChangeGroupDevices change;
  change.change_id = regroup::domain::Uuid::time_ordered();
  change.deadline = now() + 30s;
  const auto command = std::make_shared<const ChangeGroupDevices>(change);
  auto reply = ask_to(command);
  leave(workers[1]);
  CHECK(std::get<ChangePtr>(job_of(workers[0]).get<Settle>().operation) == command);
  CHECK(job_of(workers[0]).get<Settle>().deadline == command->deadline);
  leave(workers[0]); // and the settlement with its worker
  REQUIRE(reply->refused(Refused::timeout));
  CHECK(reply->refusal().operation_id == change.change_id);
}

TEST_CASE_METHOD(DispatcherTest, "another idle worker looks the outcome up at once") {
  spawn_dispatcher({.pool_size = 2, .queue_limit = 5});
  auto reply = ask("camping");
  leave(workers[1]);
  REQUIRE(held_by(workers[0]).jobs.size() == 1);
  CHECK(job_of(workers[0]).is<Settle>());
  answer(workers[0], completed());
  CHECK(reply->completed());
  CHECK(workers.size() == 2);
  refill();
  CHECK(workers.size() == 3);
  CHECK(dispatcher_state().pool.without_job() == 2);
}

TEST_CASE_METHOD(DispatcherTest, "when the look-up is lost as well the migration is in doubt") {
  spawn_dispatcher({.pool_size = 2, .queue_limit = 5});
  auto reply = ask("camping");
  leave(workers[1]);
  leave(workers[0]);
  REQUIRE(reply->refused(Refused::timeout));
  CHECK(reply->refusal().migration_id == last->migration_id);
  refill();
  CHECK(dispatcher_state().pool.without_job() == 2);
}

TEST_CASE_METHOD(DispatcherTest, "a lost write is in doubt and a lost read changed nothing") {
  spawn_dispatcher({.pool_size = 2, .queue_limit = 5});
  RegisterDevice device;
  device.deadline = now() + 30s;
  auto registration = ask_to(device);
  auto read = ask_to(CheckApiKey{.key_hash = "", .deadline = now() + 30s});
  for (const auto& worker : std::vector{workers[0], workers[1]})
    leave(worker);
  CHECK(registration->refused(Refused::timeout));
  CHECK(read->refused(Refused::database_unavailable));
}

TEST_CASE_METHOD(DispatcherTest, "a worker that dies idle is replaced and gets no job") {
  spawn_dispatcher({.pool_size = 2, .queue_limit = 5});
  leave(workers[1]);
  auto reply = ask("camping");
  answer(workers[0], completed());
  CHECK(reply->completed());
  refill();
  CHECK(dispatcher_state().pool.without_job() == 2);
}

TEST_CASE_METHOD(DispatcherTest, "workers that die at once are not made in a busy loop") {
  std::size_t made = 0;
  dispatcher = regroup::actors::spawn_dispatcher(
      system,
      [&made](caf::local_actor& self) -> regroup::actors::WorkerActor {
        ++made;
        auto worker = spawn_held(self);
        caf::anon_send_exit(worker, caf::exit_reason::kill);
        return worker;
      },
      DispatcherSettings{.pool_size = 2, .queue_limit = 1}, metrics);
  run();
  CHECK(made == 2);
  auto waiting = ask("camping");
  CHECK(ask("sailing")->refused(Refused::overloaded));
  refill();
  CHECK(made == 4);
  pass(30s);
  run();
  CHECK(waiting->refused(Refused::timeout));
}

TEST_CASE_METHOD(DispatcherTest, "a worker that cannot be made is tried again") {
  bool threads_to_be_had = false;
  dispatcher = regroup::actors::spawn_dispatcher(
      system,
      [&](caf::local_actor& self) -> regroup::actors::WorkerActor {
        if (!threads_to_be_had)
          throw std::runtime_error("no thread");
        return workers.emplace_back(spawn_held(self));
      },
      DispatcherSettings{.pool_size = 1, .queue_limit = 1}, metrics);
  run();
  auto reply = ask("camping");
  refill();
  CHECK_FALSE(reply->answer);
  threads_to_be_had = true;
  refill();
  answer(workers.at(0), completed());
  CHECK(reply->completed());
}

namespace {

/// Workers that are connected one after the other, as the test lets them.
class ConnectionsTest : public DispatcherTest {
public:
  ConnectionsTest() {
    spawn_dispatcher({.pool_size = 3, .queue_limit = 20});
    for (const auto& worker : workers)
      held_by(worker).connects = std::nullopt;
  }
  int tries() {
    int sum = 0;
    for (const auto& worker : workers)
      sum += held_by(worker).tries;
    return sum;
  }
  int jobs() {
    std::size_t sum = 0;
    for (const auto& worker : workers)
      sum += held_by(worker).jobs.size();
    return static_cast<int>(sum);
  }
  /// The try that is under way.
  void ends(bool how) {
    for (const auto& worker : workers)
      if (!held_by(worker).connecting.empty())
        return connected(worker, how);
    FAIL("none tries");
  }
  /// All that is due, tries included, which fail.
  void fail_for(std::chrono::milliseconds time) {
    for (auto passed = 0ms; passed < time; passed += 10ms) {
      pass(10ms);
      run();
      for (const auto& worker : workers)
        if (!held_by(worker).connecting.empty())
          connected(worker, false);
    }
  }
};

} // namespace

TEST_CASE_METHOD(ConnectionsTest,
                 "a burst opens connections one after the other, as they succeed") {
  for (int job = 0; job < 10; ++job)
    ask("camping-" + std::to_string(job));
  CHECK(tries() == 1);
  CHECK(jobs() == 0);
  ends(true);
  CHECK(jobs() == 1);
  CHECK(tries() == 2);
  ends(false);
  CHECK(tries() == 2); // not at once
  pass(regroup::actors::Pool::longest_pause);
  run();
  CHECK(tries() == 3);
  ends(true);
  CHECK(jobs() == 2);
}

TEST_CASE_METHOD(ConnectionsTest, "jobs wait for the one connection when no other is to be had") {
  auto first = ask("camping");
  ends(true);
  std::vector<ReplyPtr> waiting;
  for (int job = 0; job < 10; ++job)
    waiting.push_back(ask("sailing-" + std::to_string(job)));
  fail_for(5s);
  const auto connected_one =
      std::find_if(workers.begin(), workers.end(),
                   [](const HeldActor& worker) { return !held_by(worker).jobs.empty(); });
  REQUIRE(connected_one != workers.end());
  answer(*connected_one, completed());
  CHECK(first->completed());
  for (const auto& reply : waiting) {
    CHECK_FALSE(reply->answer);
    answer(*connected_one, completed());
    CHECK(reply->completed());
  }
}

TEST_CASE_METHOD(ConnectionsTest, "the pool tries, not each worker: few tries in a second") {
  ask("camping");
  ends(true);
  for (int job = 0; job < 10; ++job)
    ask("sailing-" + std::to_string(job));
  fail_for(10s);
  CHECK(tries() < 30);
  CHECK(tries() > 8); // and it does try
}

TEST_CASE_METHOD(ConnectionsTest, "without any connection a job is refused soon, and truly") {
  auto reply = ask("camping");
  auto undecided = ask_to(Settle{command("sailing"), now() + 30s});
  fail_for(300ms);
  CHECK_FALSE(reply->answer); // a PostgreSQL that restarts may be back by then
  fail_for(2s);
  CHECK(reply->refused(Refused::database_unavailable));
  CHECK_FALSE(undecided->answer); // of what is in doubt nothing can be said
  CHECK(tries() > 1);
  fail_for(30s);
  REQUIRE(undecided->refused(Refused::timeout));
  CHECK(undecided->refusal().migration_id);
}

TEST_CASE_METHOD(ConnectionsTest, "a job that comes in the pause waits for the next try") {
  ask("camping");
  fail_for(3s);
  auto reply = ask("sailing");
  CHECK_FALSE(reply->answer);
  for (int passed = 0; passed < 40 && tries() >= 0; ++passed) {
    pass(50ms);
    run();
    for (const auto& worker : workers)
      if (!held_by(worker).connecting.empty())
        connected(worker, true);
  }
  CHECK(jobs() == 1);
}

TEST_CASE_METHOD(DispatcherTest, "a job whose connection broke is run by another worker") {
  spawn_dispatcher({.pool_size = 2, .queue_limit = 5});
  auto reply = ask("camping");
  breaks(workers[1], {Job{last}});
  REQUIRE(held_by(workers[0]).jobs.size() + held_by(workers[1]).jobs.size() == 1);
  const auto& next = held_by(workers[0]).jobs.empty() ? workers[1] : workers[0];
  CHECK(migration_of(next) == last);
  answer(next, completed(last));
  CHECK(reply->completed());
}

TEST_CASE_METHOD(DispatcherTest,
                 "a job under which every connection breaks is refused in the end") {
  spawn_dispatcher({.pool_size = 1, .queue_limit = 5});
  auto reply = ask("camping");
  for (int begun = 0; begun < regroup::actors::most_beginnings; ++begun) {
    CHECK_FALSE(reply->answer);
    breaks(workers[0], {Job{last}});
  }
  CHECK(reply->refused(Refused::database_unavailable));
}

TEST_CASE_METHOD(DispatcherTest,
                 "a connection that had ended before its job came counts for nothing") {
  spawn_dispatcher({.pool_size = 1, .queue_limit = 5});
  auto reply = ask("camping");
  for (int dead = 0; dead < 2 * regroup::actors::most_beginnings; ++dead) {
    CHECK_FALSE(reply->answer);
    breaks(workers[0], {Job{last}, false, false});
  }
  answer(workers[0], completed(last));
  CHECK(reply->completed());
}

TEST_CASE_METHOD(DispatcherTest, "what is in doubt is settled by another worker, first of all") {
  spawn_dispatcher({.pool_size = 1, .queue_limit = 5});
  auto reply = ask("camping");
  const auto migration = last;
  auto queued = ask("sailing");
  const regroup::domain::Left doubt{Settle{migration, migration->deadline}};
  breaks(workers[0], doubt);
  REQUIRE(job_of(workers[0]).is<Settle>());
  // A settlement that breaks a connection itself leaves others their turn, and goes on.
  breaks(workers[0], doubt);
  REQUIRE(job_of(workers[0]).is<MigrationCommand>());
  answer(workers[0], completed());
  CHECK(queued->completed());
  for (int again = 0; again < 6; ++again) {
    CHECK(held_by(workers[0]).jobs.empty());
    pass(regroup::actors::dispatcher_tick);
    run();
    REQUIRE(job_of(workers[0]).is<Settle>());
    if (again < 5)
      breaks(workers[0], doubt);
  }
  answer(workers[0], completed(migration));
  CHECK(reply->completed());
}

TEST_CASE_METHOD(DispatcherTest, "a job that may have been done is never said to be undone") {
  spawn_dispatcher({.pool_size = 1, .queue_limit = 5});
  RegisterDevice device;
  device.deadline = now() + 30s;
  auto reply = ask_to(device);
  for (int begun = 0; begun < regroup::actors::most_beginnings; ++begun)
    breaks(workers[0], {Job{device}, begun == 0});
  CHECK(held_by(workers[0]).doubted == std::vector{false, true, true, true});
  CHECK(reply->refused(Refused::timeout));
}

TEST_CASE_METHOD(DispatcherTest, "when one server is silent the idle connections are asked first") {
  spawn_dispatcher({.pool_size = 3, .queue_limit = 5});
  std::vector<ReplyPtr> replies;
  for (int job = 0; job < 3; ++job)
    replies.push_back(ask("camping-" + std::to_string(job)));
  for (const auto& worker : {workers[0], workers[1]})
    answer(worker, completed());
  const auto before = held_by(workers[0]).tries + held_by(workers[1]).tries;
  for (const auto& worker : {workers[0], workers[1]})
    held_by(worker).connects = std::nullopt;
  const auto migration = migration_of(workers[2]);
  held_by(workers[2]).connects = false;
  breaks(workers[2], {Settle{migration, migration->deadline}}, true);
  CHECK(held_by(workers[0]).tries + held_by(workers[1]).tries == before + 2);
  CHECK(held_by(workers[0]).jobs.empty());
  CHECK(held_by(workers[1]).jobs.empty());
  connected(workers[0], false);
  connected(workers[1], true);
  CHECK(job_of(workers[1]).is<Settle>());
}

TEST_CASE_METHOD(DispatcherTest, "workers with a job listen whether their server is silent") {
  spawn_dispatcher({.pool_size = 2, .queue_limit = 5});
  ask("camping");
  pass(1s);
  run();
  CHECK(held_by(workers[1]).listened > 0);
  CHECK(held_by(workers[0]).listened == 0);
  answer(workers[1], completed());
  const int before = held_by(workers[1]).listened;
  pass(5s);
  run();
  CHECK(held_by(workers[1]).listened == before);
}

TEST_CASE_METHOD(DispatcherTest, "where no connection is to be had another dispatcher is asked") {
  spawn_dispatcher({.pool_size = 1, .queue_limit = 5});
  auto pool = dispatcher;
  dispatcher = regroup::actors::spawn_dispatcher(
      system,
      [](caf::local_actor& self) -> regroup::actors::WorkerActor {
        auto worker = spawn_held(self);
        held_by(worker).connects = false;
        return worker;
      },
      DispatcherSettings{.pool_size = 1, .queue_limit = 5}, metrics, pool);
  for (int job = 0; job < 3; ++job) { // the later ones at once, in the pause
    auto reply = ask("camping");
    REQUIRE(held_by(workers[0]).jobs.size() == 1);
    answer(workers[0], completed());
    CHECK(reply->completed());
  }
  end(caf::actor_cast<caf::actor_addr>(pool), caf::exit_reason::user_shutdown);
}
