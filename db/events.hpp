#pragma once
#include "db/session.hpp"
#include "domain/events.hpp"
#include "domain/outcome.hpp"

namespace regroup::db {

/// Jobs of a replica's webhook sender. Throws NotKept: if the end of a claim is unknown, the
/// claimed events are due again when their lease expires.
Task<domain::Answer> work_on_events(Session& session, const domain::EventJob& job);

} // namespace regroup::db
