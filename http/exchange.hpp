#pragma once
#include "actors/interfaces.hpp"
#include "http/gateway.hpp"

#include <cstddef>
#include <memory>

namespace regroup::http {

/// The Gateway to real actors: `count` exchange actors, each of which asks the directory or the
/// dispatcher for many requests at once and keeps their time. They end with the Gateway, and answer
/// what is still open then. `system` outlives it.
std::unique_ptr<Gateway> make_exchange(caf::actor_system& system, actors::DirectoryActor directory,
                                       actors::DispatcherActor dispatcher, std::size_t count);

} // namespace regroup::http
