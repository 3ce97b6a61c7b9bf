#pragma once
#include "db/transaction.hpp"
#include "domain/outcome.hpp"

#include <optional>

namespace regroup::db {

// What a caller is refused with before a list is read for them; nothing when they may see it. Each
// throws NotKept.

/// Whoever is not there or was deactivated: their token is still a token, but the database has the
/// last word.
Task<std::optional<domain::Refusal>> refuse_inactive(Transaction& transaction,
                                                     const domain::Uuid& user);

/// And whoever is not a member of the group.
Task<std::optional<domain::Refusal>>
refuse_stranger(Transaction& transaction, const domain::Uuid& user, const domain::Uuid& group);

} // namespace regroup::db
