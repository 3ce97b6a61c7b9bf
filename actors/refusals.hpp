#pragma once
#include "domain/job.hpp"

namespace regroup::actors {

/// The actor that ran the job has ended, and its outcome is lost. The caller of an operation never
/// gets "nothing was changed" in that case (contract, "In doubt").
domain::Answer outcome_lost(const domain::Job& job);

} // namespace regroup::actors
