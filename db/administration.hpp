#pragma once
#include "db/session.hpp"
#include "domain/command.hpp"
#include "domain/outcome.hpp"

namespace regroup::db {

/// What administrators ask for, with their key looked at in the same transaction. Throws
/// ConnectionLost, StatementFailed and CommitInDoubt.
domain::Answer administer(Session& session, const domain::AdminJob& job);

} // namespace regroup::db
