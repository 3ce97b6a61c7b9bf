#include "actors/loop_scheduler.hpp"
#include "actors/system.hpp"
#include "actors/worker.hpp"
#include "http/io_loop.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/silent_log.hpp"

#include <catch2/catch.hpp>

#include <array>
#include <atomic>
#include <new>
#include <stdexcept>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

using namespace regroup;
using namespace regroup::domain;

namespace {

/// What stores saw, since the worker hides them.
struct Seen {
  std::atomic<int> made{0};
  std::atomic<int> executed{0};
  std::atomic<int> finished{0};
  std::atomic<int> connected{0};
  std::atomic<int> listened{0};
  std::atomic<int> asked{0}; // proceed()
  std::thread::id executed_on;
  std::thread::id proceeded_on;
  std::thread::id finished_on;
  std::atomic<bool> destroyed{false};
};

/// Has another connection after each job that was waited for. Executes CheckHealth, and begins
/// everything else when it has executed once. Its socket is a pipe.
class FakeStore : public Store {
public:
  FakeStore(Seen& seen, std::vector<Came> answers) : seen_(seen), answers_(std::move(answers)) {
    ++seen_.made;
    connect_anew();
  }
  ~FakeStore() override {
    connect({-1, -1});
    seen_.destroyed = true;
  }

  bool connect() noexcept override {
    ++seen_.connected;
    return true;
  }
  bool is_connected() const noexcept override { return true; }
  void end_silence() noexcept override { ++seen_.listened; }

  Ran execute(const Job& job, bool doubted) noexcept override {
    ++seen_.executed;
    seen_.executed_on = std::this_thread::get_id();
    connect_anew();
    if (doubted)
      return Left{job, true};
    return Healthy{};
  }
  std::optional<int> begin(const Job& job) noexcept override {
    if (std::holds_alternative<CheckHealth>(job))
      return std::nullopt;
    say_something();
    return pipe_[0];
  }
  Progressed proceed() noexcept override {
    ++seen_.asked;
    seen_.proceeded_on = std::this_thread::get_id();
    hear();
    const auto came = answers_.at(at_++);
    if (came == Came::not_all)
      say_something();
    return {came, Done{}};
  }
  Ran finish() noexcept override {
    ++seen_.finished;
    seen_.finished_on = std::this_thread::get_id();
    connect_anew();
    return MigrationRecalled{};
  }

private:
  void connect_anew() {
    std::array<int, 2> ends{};
    if (::pipe(ends.data()) == 0)
      connect(ends);
  }
  void connect(std::array<int, 2> ends) {
    for (const int old : std::exchange(pipe_, ends))
      if (old >= 0)
        ::close(old);
  }
  void say_something() { static_cast<void>(::write(pipe_[1], "x", 1) == 1); }
  void hear() {
    char byte = 0;
    static_cast<void>(::read(pipe_[0], &byte, 1) == 1);
  }

  Seen& seen_;
  std::vector<Came> answers_; // of proceed(), in their order
  std::size_t at_ = 0;
  std::array<int, 2> pipe_{-1, -1};
};

struct LoopConfig : caf::actor_system_config {
  explicit LoopConfig(EventLoop& loop) { actors::schedule_on(loop, *this); }
};

/// Real threads, as in the service.
class WorkerTest {
public:
  actors::WorkerActor worker_with(StoreFactory make_store) {
    return actors::pooled_workers(std::move(make_store), loop)(*self.ptr());
  }
  actors::WorkerActor worker_whose_store_answers(std::vector<Store::Came> answers) {
    return worker_with([this, answers] { return std::make_unique<FakeStore>(seen, answers); });
  }
  Answer ask(const actors::WorkerActor& worker, Job job = CheckHealth{}) {
    return std::get<Answer>(run(worker, std::move(job), false).ran);
  }
  actors::Worked run(const actors::WorkerActor& worker, Job job, bool doubted) {
    actors::Worked given;
    self->request(worker, caf::infinite, actors::execute_atom::value, std::move(job), doubted)
        .receive([&](const actors::Worked& how) { given = how; },
                 [&](const caf::error& error) { FAIL(system.render(error)); });
    return given;
  }
  void end(const actors::WorkerActor& worker) {
    self->send_exit(worker, caf::exit_reason::user_shutdown);
    self->wait_for(worker);
  }

  static Job migration() { return std::make_shared<const MigrationCommand>(); }

  Seen seen;
  test::SilentLog log;
  http::IoLoop loop{2, log};
  LoopConfig config{loop};
  caf::actor_system system{config};
  caf::scoped_actor self{system};
};

} // namespace

TEST_CASE_METHOD(WorkerTest, "a worker makes one store, and waits on a thread of its own") {
  auto worker = worker_whose_store_answers({});
  CHECK(std::holds_alternative<Healthy>(ask(worker)));
  const auto thread = seen.executed_on;
  CHECK(thread != std::this_thread::get_id());
  CHECK(std::holds_alternative<Healthy>(ask(worker)));
  CHECK(seen.executed_on == thread);
  CHECK(seen.made == 1);
  end(worker);
}

TEST_CASE_METHOD(WorkerTest, "a job that can be begun takes no thread of the worker's") {
  auto worker = worker_whose_store_answers({Store::Came::not_all, Store::Came::answer});
  ask(worker);
  CHECK(std::holds_alternative<Done>(ask(worker, migration())));
  CHECK(seen.asked == 2);
  CHECK(seen.executed == 1);
  CHECK(seen.proceeded_on != seen.executed_on);
  end(worker);
}

TEST_CASE_METHOD(WorkerTest, "what needs time after it was begun is finished by the waiter") {
  auto worker = worker_whose_store_answers({Store::Came::needs_time, Store::Came::answer});
  ask(worker);
  CHECK(std::holds_alternative<MigrationRecalled>(ask(worker, migration())));
  CHECK(seen.finished == 1);
  CHECK(seen.finished_on == seen.executed_on);
  CHECK(std::holds_alternative<Done>(ask(worker, migration()))); // and the next is begun again
  end(worker);
}

TEST_CASE_METHOD(WorkerTest, "a job that was waited for may leave another connection") {
  auto worker = worker_whose_store_answers(std::vector(3, Store::Came::answer));
  ask(worker);
  for (int job = 0; job < 3; ++job) {
    CHECK(std::holds_alternative<Done>(ask(worker, migration())));
    CHECK(std::holds_alternative<Healthy>(ask(worker)));
  }
  end(worker);
}

TEST_CASE_METHOD(WorkerTest, "the first job opens the connection, and so is waited for") {
  auto worker = worker_whose_store_answers({});
  CHECK(std::holds_alternative<Healthy>(ask(worker, migration())));
  CHECK(seen.executed == 1);
  end(worker);
}

TEST_CASE_METHOD(WorkerTest, "a worker makes no store before its first job") {
  auto worker = worker_whose_store_answers({});
  end(worker);
  CHECK(seen.made == 0);
}

TEST_CASE_METHOD(WorkerTest, "a worker that ends takes its store with it, and its thread") {
  const auto before = system.registry().running();
  auto worker = worker_whose_store_answers({});
  ask(worker);
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
      return std::make_unique<FakeStore>(seen, std::vector<Store::Came>{});
    }
  });
  for (int job = 0; job < 2; ++job) {
    const auto answer = ask(worker);
    REQUIRE(std::holds_alternative<Refusal>(answer));
    CHECK(std::get<Refusal>(answer).reason == Refused::internal);
  }
  CHECK(std::holds_alternative<Healthy>(ask(worker)));
  end(worker);
}

TEST_CASE_METHOD(WorkerTest, "what is left of a job comes back, and a worker listens meanwhile") {
  auto worker = worker_whose_store_answers({});
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
