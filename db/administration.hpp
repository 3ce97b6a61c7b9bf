#pragma once
#include "db/session.hpp"
#include "domain/command.hpp"
#include "domain/outcome.hpp"

namespace regroup::db {

/// Jobs of administrators; checks their key in the same transaction. Throws NotKept. A job whose
/// end is unknown may be run again with `again`: its answer is then the one that the first run gave
/// or would have given.
Task<domain::Answer> administer(Session& session, const domain::AdminJob& job, bool again = false);

} // namespace regroup::db
