#pragma once
#include "actors/interfaces.hpp"
#include "domain/log.hpp"
#include "http/gateway.hpp"

#include <cstddef>
#include <memory>

namespace regroup::http {

/// The actors behind the Gateway. Migrations and undos, probes, jobs that must not queue behind
/// real work, look-ups of unproven keys, administrators' jobs and all other jobs use separate entry
/// points.
struct Parties {
  actors::DirectoryActor directory;
  actors::HealthActor health;
  actors::DispatcherActor dispatcher;
  actors::DispatcherActor aside;       // has a connection of its own: domain::Lane::status
  actors::DispatcherActor unproven;    // for keys that are not known yet
  actors::DispatcherActor back_office; // has its own connections: works when the others are stuck
  actors::SettlerActor settler;        // settles operations that were answered 504
};

/// Makes a Gateway with `count` exchange actors. Each handles many requests at once and enforces
/// their time limits. The actors end with the Gateway and answer the requests still open; an actor
/// that ends earlier is replaced. `system` and `log` outlive the Gateway.
std::unique_ptr<Gateway> make_exchange(caf::actor_system& system, const Parties& parties,
                                       std::size_t count, domain::Log& log);

} // namespace regroup::http
