#pragma once
#include "domain/command.hpp"
#include "domain/outcome.hpp"

namespace regroup::actors {

/// No outcome is known: it may have committed or not, or was never begun. The caller can look the
/// migration up by its id; it is never told that nothing was changed (contract, "In doubt").
domain::Answer in_doubt(const domain::MigrationCommand& migration);

/// The deadline passed while the job was queued. It was not begun.
domain::Answer too_late(const domain::Job& job);

/// Whoever ran the job is gone, and with it the outcome.
domain::Answer outcome_lost(const domain::Job& job);

} // namespace regroup::actors
