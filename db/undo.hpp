#pragma once
#include "db/session.hpp"
#include "domain/command.hpp"
#include "domain/log.hpp"
#include "domain/metrics.hpp"
#include "domain/outcome.hpp"

namespace regroup::db {

/// Which registration group an authenticated group was made from: `GroupOrigin`, or `not_found`.
/// Also of a group that was undone. Who may know or do what is decided later, under the lock.
domain::Answer find_origin(Session& session, const domain::FindOrigin& query);

/// One undo, with its retries, to an outcome that is true.
domain::Answer undo(Session& session, domain::Log& log, domain::Metrics& metrics,
                    const domain::UndoCommand& command);

/// Whether an undo whose COMMIT is in doubt did commit: as resolve() of a migration.
domain::Answer resolve_undo(Session& session, domain::Log& log, domain::Metrics& metrics,
                            const domain::UndoCommand& command);

} // namespace regroup::db
