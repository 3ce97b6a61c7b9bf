#include "db/callers.hpp"

#include <utility>

namespace regroup::db {

using domain::Refusal;
using domain::Refused;

Task<std::optional<Refusal>> refuse_inactive(Transaction& transaction, const domain::Uuid& user) {
  Parameters parameters{user.text()};
  const Reply found = co_await transaction.run(statements::user_is_active, std::move(parameters));
  if (found.empty())
    co_return Refusal{.reason = Refused::unauthorized};
  co_return std::nullopt;
}

Task<std::optional<Refusal>> refuse_stranger(Transaction& transaction, const domain::Uuid& user,
                                             const domain::Uuid& group) {
  auto refusal = co_await refuse_inactive(transaction, user);
  if (refusal)
    co_return refusal;
  Parameters parameters{group.text(), user.text()};
  const Reply found = co_await transaction.run(statements::find_membership, std::move(parameters));
  if (found.empty())
    co_return Refusal{.reason = Refused::not_found};
  if (!found.row(0).flag("is_member"))
    co_return Refusal{.reason = Refused::not_group_member};
  co_return std::nullopt;
}

} // namespace regroup::db
