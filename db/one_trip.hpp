#pragma once
#include "db/pipeline.hpp"
#include "db/session.hpp"

namespace regroup::db {

/// One statement in a transaction of its own, BEGIN to COMMIT in one round trip. The server goes
/// from BEGIN to COMMIT without waiting for us: what the statement locks is held for no longer than
/// it takes, also by a replica that freezes. COMMIT is on its way before the statement's outcome is
/// known, so the statement has to raise an error whenever what it wrote must not stay.
///
/// Throws ConnectionLost: PostgreSQL did not come to COMMIT. StatementFailed: it rolled back.
/// CommitInDoubt: the connection broke before PostgreSQL told its outcome, or it committed with a
/// warning (see Transaction::commit). A connection that is found dead before anything is sent is
/// replaced once.
Reply run_in_one_trip(Session& session, const Statement& statement, const Parameters& parameters);

} // namespace regroup::db
