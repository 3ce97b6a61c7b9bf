#pragma once
#include "domain/event_loop.hpp"

#include <caf/actor_system_config.hpp>

namespace regroup::actors {

/// Has the actors of the system run on the loop instead of on threads of CAF's: a request then goes
/// from the socket through all its actors without a thread that wakes another. CAF takes a
/// scheduler that it finds loaded in place of its own (`actor_system`'s constructor). `loop`
/// runs until the system has ended.
void schedule_on(domain::EventLoop& loop, caf::actor_system_config& config);

} // namespace regroup::actors
