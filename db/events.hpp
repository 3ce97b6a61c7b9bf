#pragma once
#include "db/session.hpp"
#include "domain/events.hpp"
#include "domain/outcome.hpp"

namespace regroup::db {

/// What a replica's sender asks for. Throws NotKept: what was claimed in doubt is due again when
/// its lease is over.
Task<domain::Answer> work_on_events(Session& session, const domain::EventJob& job);

} // namespace regroup::db
