#pragma once
#include "db/session.hpp"
#include "domain/command.hpp"
#include "domain/outcome.hpp"

namespace regroup::db {

/// Runs the change, again where another's transaction was in its way. Throws ConnectionLost,
/// CommitInDoubt or StatementFailed.
domain::Answer change_group_devices(Session& session, const domain::ChangeGroupDevices& change);

} // namespace regroup::db
