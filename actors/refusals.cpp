#include "actors/refusals.hpp"

namespace regroup::actors {

using domain::Refusal;
using domain::Refused;

domain::Answer outcome_lost(const domain::Job& job) {
  // A job that writes may have done so; a read certainly changed nothing.
  return job.traits().writes ? domain::no_outcome(job)
                             : Refusal{.reason = Refused::database_unavailable};
}

} // namespace regroup::actors
