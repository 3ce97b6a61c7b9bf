#include "actors/loop_scheduler.hpp"
#include "actors/system.hpp"
#include "actors/worker.hpp"
#include "http/server/io_loop.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/silent_log.hpp"

#include <catch2/catch.hpp>

#include <atomic>
#include <new>
#include <stdexcept>
#include <utility>

using namespace regroup;
using namespace regroup::domain;

namespace {

/// What stores saw, since the worker hides them.
struct Seen {
  std::atomic<int> made{0};
  std::atomic<int> connected{0};
  std::atomic<int> run{0};
  std::atomic<int> listened{0};
  std::atomic<bool> destroyed{false};
};

/// Calls `done` at once, on the loop, or never.
class FakeStore : public Store {
public:
  enum class When { at_once, on_the_loop, never };

  FakeStore(Seen& seen, EventLoop& loop, When when) : seen_(seen), loop_(loop), when_(when) {
    ++seen_.made;
  }
  ~FakeStore() override { seen_.destroyed = true; }

  void connect(std::function<void(bool)> done) noexcept override {
    ++seen_.connected;
    loop_.post([done = std::move(done)] { done(true); });
  }
  void run(Job job, bool doubted, std::function<void(Worked)> done) noexcept override {
    ++seen_.run;
    const bool checks = job.is<CheckHealth>();
    Worked how{checks ? Answer{Healthy{}} : Answer{Done{}}, true};
    if (doubted)
      how.ran = Left{std::move(job), true};
    if (when_ == When::at_once)
      done(std::move(how));
    else if (when_ == When::on_the_loop)
      loop_.post([done = std::move(done), how = std::move(how)] { done(how); });
  }
  void end_silence() noexcept override { ++seen_.listened; }

private:
  Seen& seen_;
  EventLoop& loop_;
  When when_;
};

struct LoopConfig : caf::actor_system_config {
  explicit LoopConfig(EventLoop& loop) { actors::schedule_on(loop, *this); }
};

/// Real threads, as in the service.
class WorkerTest {
public:
  using When = FakeStore::When;

  actors::WorkerActor worker_with(StoreFactory make_store) {
    return actors::pooled_workers(std::move(make_store))(*self.ptr());
  }
  actors::WorkerActor worker_whose_store_answers(When when) {
    return worker_with([this, when] { return std::make_unique<FakeStore>(seen, loop, when); });
  }
  Answer ask(const actors::WorkerActor& worker, Job job = CheckHealth{}) {
    return std::get<Answer>(run(worker, std::move(job), false).ran);
  }
  Worked run(const actors::WorkerActor& worker, Job job, bool doubted) {
    Worked given;
    self->request(worker, caf::infinite, actors::execute_atom::value, std::move(job), doubted)
        .receive([&](const Worked& how) { given = how; },
                 [&](const caf::error& error) { FAIL(system.render(error)); });
    return given;
  }
  void end(const actors::WorkerActor& worker) {
    self->send_exit(worker, caf::exit_reason::user_shutdown);
    self->wait_for(worker);
  }

  Seen seen;
  test::SilentLog log;
  http::IoLoop loop{2, log};
  LoopConfig config{loop};
  caf::actor_system system{config};
  caf::scoped_actor self{system};
};

} // namespace

TEST_CASE_METHOD(WorkerTest, "a worker makes one store, and has it run job after job") {
  auto worker = worker_whose_store_answers(GENERATE(When::at_once, When::on_the_loop));
  for (int round = 0; round < 100; ++round) {
    CHECK(ask(worker).is<Healthy>());
    CHECK(ask(worker, std::make_shared<const MigrationCommand>()).is<Done>());
  }
  CHECK(seen.made == 1);
  CHECK(seen.run == 200);
  end(worker);
}

TEST_CASE_METHOD(WorkerTest, "a worker makes no store before its first job") {
  auto worker = worker_whose_store_answers(When::at_once);
  end(worker);
  CHECK(seen.made == 0);
}

TEST_CASE_METHOD(WorkerTest,
                 "a worker that ends takes its store with it, though a job is under way") {
  const auto before = system.registry().running();
  auto worker = worker_whose_store_answers(When::never);
  caf::anon_send(worker, actors::execute_atom::value, Job{CheckHealth{}}, false);
  REQUIRE(test::eventually([&] { return seen.run == 1; }));
  end(worker);
  CHECK(test::eventually([&] { return system.registry().running() == before; }));
  CHECK(test::eventually([&] { return seen.destroyed.load(); }));
}

TEST_CASE_METHOD(WorkerTest,
                 "a store that cannot be made is an internal refusal, and tried again") {
  std::atomic<int> tries{0};
  auto worker = worker_with([&]() -> std::unique_ptr<Store> {
    switch (++tries) {
    case 1:
      throw std::bad_alloc{};
    case 2:
      throw std::runtime_error("no such file");
    default:
      return std::make_unique<FakeStore>(seen, loop, When::at_once);
    }
  });
  for (int job = 0; job < 2; ++job) {
    const auto answer = ask(worker);
    REQUIRE(answer.is<Refusal>());
    CHECK(answer.get<Refusal>().reason == Refused::internal);
  }
  CHECK(ask(worker).is<Healthy>());
  end(worker);
}

TEST_CASE_METHOD(WorkerTest, "what is left of a job comes back, and a worker listens meanwhile") {
  auto worker = worker_whose_store_answers(When::on_the_loop);
  caf::anon_send(worker, actors::listen_atom::value); // it has no store yet
  self->request(worker, caf::infinite, actors::connect_atom::value)
      .receive([](bool connected) { CHECK(connected); },
               [&](const caf::error& error) { FAIL(system.render(error)); });
  CHECK(seen.connected == 1);
  const auto how = run(worker, CheckHealth{}, true);
  REQUIRE(std::holds_alternative<Left>(how.ran));
  CHECK(std::get<Left>(how.ran).doubted);
  CHECK(how.connected);
  caf::anon_send(worker, actors::listen_atom::value);
  CHECK(test::eventually([&] { return seen.listened == 1; }));
  end(worker);
}
