#pragma once
#include "db/settlement.hpp"
#include "domain/command.hpp"
#include "domain/outcome.hpp"

namespace regroup::db {

/// Which registration group an authenticated group was made from: `GroupOrigin`, or `not_found`.
/// Also of a group that was undone. Who may know or do what is decided later, under the lock.
Task<domain::Answer> find_origin(Session& session, const domain::FindOrigin& query);

/// One undo, with its retries and its settlement, to an outcome that is true.
Task<domain::Answer> undo(const OperationTools& tools, const domain::UndoPtr& command);

/// Out of a reply of regroup_undo_v1 or regroup_settle_v1. Throws where it holds no such thing.
domain::MigrationUndone undone_from(const domain::UndoCommand& command, const Reply& reply);

} // namespace regroup::db
