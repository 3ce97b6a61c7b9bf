#pragma once
#include "db/pipeline.hpp"
#include "domain/command.hpp"
#include "domain/outcome.hpp"

namespace regroup::db {

/// The parameters of `statements::undo`.
Parameters parameters_of(const domain::UndoCommand& command);

/// From a reply of regroup_undo_v1 or regroup_settle_v1. Throws if it holds none.
domain::MigrationUndone undone_from(const domain::UndoCommand& command, const Reply& reply);

} // namespace regroup::db
