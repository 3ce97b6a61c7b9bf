#pragma once
#include "db/transaction.hpp"
#include "domain/outcome.hpp"

#include <optional>

namespace regroup::db {

// Checks before a list is read for a caller: the refusal, or nothing if the caller may see the
// list. Each throws NotKept.

/// Refuses a user who does not exist or was deactivated: the token is still valid, but the database
/// has the last word.
Task<std::optional<domain::Refusal>> refuse_inactive(Transaction& transaction,
                                                     const domain::Uuid& user);

/// Also refuses a user who is not a member of the group.
Task<std::optional<domain::Refusal>>
refuse_stranger(Transaction& transaction, const domain::Uuid& user, const domain::Uuid& group);

} // namespace regroup::db
