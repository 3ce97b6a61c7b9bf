#pragma once
#include "db/session.hpp"
#include "domain/command.hpp"
#include "domain/outcome.hpp"

namespace regroup::db {

/// What administrators ask for, with their key looked at in the same transaction. Throws NotKept. A
/// job whose end is unknown may be run again with `again`: it then comes to what the first time
/// came to, or would have.
Task<domain::Answer> administer(Session& session, const domain::AdminJob& job, bool again = false);

} // namespace regroup::db
