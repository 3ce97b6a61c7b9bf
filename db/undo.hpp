#pragma once
#include "db/settlement.hpp"
#include "domain/command.hpp"
#include "domain/outcome.hpp"

namespace regroup::db {

/// The registration group that an authenticated group was made from: `GroupOrigin`, or `not_found`.
/// Also works for a group that was undone. The rights are checked later, under the lock.
Task<domain::Answer> find_origin(Session& session, const domain::FindOrigin& query);

/// Runs one undo, including retries and settlement, to an outcome that is true.
Task<domain::Answer> undo(const OperationTools& tools, const domain::UndoPtr& command);

/// The parameters of `statements::undo`.
Parameters parameters_of(const domain::UndoCommand& command);

/// From a reply of regroup_undo_v1 or regroup_settle_v1. Throws if it holds none.
domain::MigrationUndone undone_from(const domain::UndoCommand& command, const Reply& reply);

} // namespace regroup::db
