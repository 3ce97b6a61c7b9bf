#include "actors/refusals.hpp"

#include <variant>

namespace regroup::actors {

using domain::Refusal;
using domain::Refused;

domain::Answer outcome_lost(const domain::Job& job) {
  // A job that writes may have done so; a read certainly changed nothing.
  const bool writes =
      domain::operation_of(job) || std::holds_alternative<domain::RegisterDevice>(job);
  return writes ? domain::no_outcome(job) : Refusal{.reason = Refused::database_unavailable};
}

} // namespace regroup::actors
