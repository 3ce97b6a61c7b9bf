#pragma once
#include "domain/event_loop.hpp"

#include <caf/actor_system_config.hpp>

namespace regroup::actors {

/// Runs the system's actors on the event loop instead of on CAF's threads: a request then passes
/// from the socket through all its actors without one thread waking another. CAF uses a loaded
/// scheduler module in place of its own (`actor_system`'s constructor). `loop` must run until the
/// system has ended.
void schedule_on(domain::EventLoop& loop, caf::actor_system_config& config);

} // namespace regroup::actors
