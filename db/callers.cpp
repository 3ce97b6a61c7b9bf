#include "db/callers.hpp"

namespace regroup::db {

using domain::Refusal;
using domain::Refused;

std::optional<Refusal> refuse_inactive(Transaction& transaction, const domain::Uuid& user) {
  if (transaction.run(statements::user_is_active, user.text()).empty())
    return Refusal{Refused::unauthorized};
  return std::nullopt;
}

std::optional<Refusal> refuse_stranger(Transaction& transaction, const domain::Uuid& user,
                                       const domain::Uuid& group) {
  if (auto refusal = refuse_inactive(transaction, user))
    return refusal;
  const auto found = transaction.run(statements::find_membership, group.text(), user.text());
  if (found.empty())
    return Refusal{Refused::not_found};
  if (!found.front()["is_member"].as<bool>())
    return Refusal{Refused::not_group_member};
  return std::nullopt;
}

} // namespace regroup::db
