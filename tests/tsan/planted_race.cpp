// Has a race on purpose, in handlers of actors that run as the service's do: TSan must report it,
// or it would not report one of the service's either (tests/CMakeLists.txt).
#include "actors/loop_scheduler.hpp"
#include "http/server/io_loop.hpp"
#include "tests/support/silent_log.hpp"

#include <caf/all.hpp>

#include <atomic>
#include <thread>

using namespace regroup;

namespace {

struct LoopConfig : caf::actor_system_config {
  explicit LoopConfig(domain::EventLoop& loop) { actors::schedule_on(loop, *this); }
};

struct Planted {
  std::atomic<int> inside{0};
  int number = 0;
};

caf::behavior racer(caf::event_based_actor*, Planted* planted) {
  return {[planted](int) {
    // Each on a thread of its own; relaxed, so that this orders nothing.
    planted->inside.fetch_add(1, std::memory_order_relaxed);
    while (planted->inside.load(std::memory_order_relaxed) < 2)
      std::this_thread::yield();
    ++planted->number;
  }};
}

} // namespace

int main() {
  test::SilentLog log;
  Planted planted;
  http::IoLoop loop{2, log};
  LoopConfig config{loop};
  caf::actor_system system{config};
  for (int each = 0; each < 2; ++each) {
    const auto actor = system.spawn(racer, &planted);
    caf::anon_send(actor, each);
  }
  system.await_all_actors_done(); // without a handle left they end when they have run
}
