#pragma once
#include "actors/interfaces.hpp"
#include "domain/log.hpp"
#include "http/gateway.hpp"

#include <cstddef>
#include <memory>

namespace regroup::http {

/// Who is asked: a migration, a probe, what must not queue, an administrator and everything else
/// have each their own way in.
struct Parties {
  actors::DirectoryActor directory;
  actors::HealthActor health;
  actors::DispatcherActor dispatcher;
  actors::DispatcherActor aside;    // with a connection of its own: see is_aside() in exchange.cpp
  actors::DispatcherActor unproven; // for keys that are not known yet
  actors::DispatcherActor back_office; // connections of its own: it works when all others are stuck
  actors::SettlerActor settler;        // goes on with what was answered 504
};

/// The Gateway to real actors: `count` exchange actors, each of which asks for many requests at
/// once and keeps their time. They end with the Gateway, and answer
/// what is still open then; one that ends before is replaced. `system` and `log` outlive it.
std::unique_ptr<Gateway> make_exchange(caf::actor_system& system, const Parties& parties,
                                       std::size_t count, domain::Log& log);

} // namespace regroup::http
