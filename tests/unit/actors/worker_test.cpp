#include "actors/system.hpp"
#include "actors/worker.hpp"

#include <catch2/catch.hpp>

#include <atomic>
#include <new>
#include <stdexcept>
#include <thread>

using namespace regroup;
using namespace regroup::domain;

namespace {

class FakeStore : public Store {
public:
  explicit FakeStore(std::thread::id& destroyed_on) : destroyed_on_(destroyed_on) {}
  ~FakeStore() override { destroyed_on_ = std::this_thread::get_id(); }
  Answer execute(const Job&) noexcept override {
    used_on = std::this_thread::get_id();
    return Healthy{};
  }
  static inline std::thread::id used_on;

private:
  std::thread::id& destroyed_on_;
};

/// Real threads: a worker is detached.
class WorkerTest {
public:
  Answer ask(const actors::WorkerActor& worker) {
    Answer given;
    self->request(worker, caf::infinite, actors::execute_atom::value, Job{CheckHealth{}})
        .receive([&](const Answer& answer) { given = answer; },
                 [&](const caf::error& error) { FAIL(system.render(error)); });
    return given;
  }
  void end(const actors::WorkerActor& worker) {
    self->send_exit(worker, caf::exit_reason::user_shutdown);
    self->wait_for(worker);
  }

  caf::actor_system_config config;
  caf::actor_system system{config};
  caf::scoped_actor self{system};
};

} // namespace

TEST_CASE_METHOD(WorkerTest, "a worker makes one store, and on a thread of its own") {
  int made = 0;
  std::thread::id destroyed_on;
  auto worker = actors::detached_workers([&] {
    ++made;
    return std::make_unique<FakeStore>(destroyed_on);
  })(*self.ptr());
  CHECK(std::holds_alternative<Healthy>(ask(worker)));
  CHECK(std::holds_alternative<Healthy>(ask(worker)));
  CHECK(made == 1);
  CHECK(FakeStore::used_on != std::this_thread::get_id());
  end(worker);
  CHECK(destroyed_on == FakeStore::used_on);
}

TEST_CASE_METHOD(WorkerTest, "a worker makes no store before its first job") {
  bool made = false;
  auto worker = actors::detached_workers([&]() -> std::unique_ptr<Store> {
    made = true;
    return nullptr;
  })(*self.ptr());
  end(worker);
  CHECK_FALSE(made);
}

TEST_CASE_METHOD(WorkerTest,
                 "a store that cannot be made is an internal refusal, and tried again") {
  int tries = 0;
  std::thread::id destroyed_on;
  auto worker = actors::detached_workers([&]() -> std::unique_ptr<Store> {
    switch (++tries) {
    case 1:
      throw std::bad_alloc{};
    case 2:
      throw std::runtime_error("no such file");
    default:
      return std::make_unique<FakeStore>(destroyed_on);
    }
  })(*self.ptr());
  for (int job = 0; job < 2; ++job) {
    const auto answer = ask(worker);
    REQUIRE(std::holds_alternative<Refusal>(answer));
    CHECK(std::get<Refusal>(answer).reason == Refused::internal);
  }
  CHECK(std::holds_alternative<Healthy>(ask(worker)));
  end(worker);
}
