#include "actors/refusals.hpp"

#include <variant>

namespace regroup::actors {

using domain::Refusal;
using domain::Refused;

domain::Answer outcome_lost(const domain::Job& job) {
  // It may have written; a read changes nothing, so that can be said of it.
  const bool writes =
      domain::operation_of(job) || std::holds_alternative<domain::RegisterDevice>(job);
  return writes ? domain::no_outcome(job) : Refusal{.reason = Refused::database_unavailable};
}

} // namespace regroup::actors
