#pragma once
#include "domain/command.hpp"
#include "domain/outcome.hpp"

namespace regroup::actors {

/// The actor that ran the job is gone, and with it the outcome. A caller of an operation is never
/// told then that nothing was changed (contract, "In doubt").
domain::Answer outcome_lost(const domain::Job& job);

} // namespace regroup::actors
