#include "actors/loop_scheduler.hpp"

#include <caf/all.hpp>
#include <caf/detail/thread_safe_actor_clock.hpp>
#include <caf/scheduler/abstract_coordinator.hpp>

#include <atomic>
#include <cstddef>
#include <thread>

namespace regroup::actors {
namespace {

/// CAF's clock has a thread of its own, which sleeps until the next delayed message is due.
class LoopScheduler final : public caf::scheduler::abstract_coordinator {
public:
  LoopScheduler(caf::actor_system& system, domain::EventLoop& loop)
      : abstract_coordinator(system), loop_(loop), unit_(*this) {}

  void enqueue(caf::resumable* job) override {
    under_way_.fetch_add(1, std::memory_order_relaxed);
    loop_.post([this, job] { resume(job); });
  }

  caf::actor_clock& clock() noexcept override { return clock_; }

  void start() override {
    clock_thread_ = std::thread{[this] {
      system().thread_started();
      clock_.run_dispatch_loop();
      system().thread_terminates();
    }};
    abstract_coordinator::start();
  }

  /// All actors have ended, but the last one may still be returning through here on a thread of the
  /// loop.
  void stop() override {
    stop_actors();
    clock_.cancel_dispatch_loop();
    clock_thread_.join();
    while (under_way_.load(std::memory_order_acquire) > 0)
      std::this_thread::yield();
  }

private:
  /// The execution unit that actors see: the same one for all threads of the loop.
  class Unit final : public caf::execution_unit {
  public:
    explicit Unit(LoopScheduler& scheduler)
        : execution_unit(&scheduler.system()), scheduler_(scheduler) {}
    void exec_later(caf::resumable* job) override { scheduler_.enqueue(job); }

  private:
    LoopScheduler& scheduler_;
  };

  void resume(caf::resumable* job) {
    const auto result = job->resume(&unit_, max_throughput());
    // Spawning an actor leaves this thread a reference to the system's logger, and the system's
    // destructor would wait for that.
    caf::logger::set_current_actor_system(nullptr);
    if (result == caf::resumable::resume_later)
      enqueue(job);
    else // done, or waiting for a message: its sender takes a new reference
      intrusive_ptr_release(job);
    under_way_.fetch_sub(1, std::memory_order_release); // `this` is not touched after it
  }

  domain::EventLoop& loop_;
  Unit unit_;
  std::atomic<std::size_t> under_way_{0}; // jobs posted to the loop that have not returned
  caf::detail::thread_safe_actor_clock clock_;
  std::thread clock_thread_;
};

} // namespace

void schedule_on(domain::EventLoop& loop, caf::actor_system_config& config) {
  config.module_factories.push_back(
      [&loop](caf::actor_system& system) { return new LoopScheduler(system, loop); });
}

} // namespace regroup::actors
