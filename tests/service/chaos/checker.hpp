#pragma once
#include "tests/service/chaos/history.hpp"

#include <string>
#include <vector>

namespace regroup::chaos {

/// Sentences, each about one registration group.
struct Verdict {
  std::vector<std::string> lost;       // promised (201, `completed`), and not in the database
  std::vector<std::string> duplicated; // migrated twice
  std::vector<std::string> partial;    // some of a migration's rows without the others
  std::vector<std::string> untrue;     // an answer that the database contradicts

  bool clean() const {
    return lost.empty() && duplicated.empty() && partial.empty() && untrue.empty();
  }
};

/// Holds what the clients were told against what is there. Needs nothing but its arguments.
///
/// Whose request made a success? The audit row names the user, and no two callers are one user; of
/// that user's requests it is the one that says so (its 201, or the migration_id of its 202 or
/// 504), else the last that had begun when the transaction did.
Verdict check(const History& history, const Rows& rows);

/// The requests that got no outcome (202, 504, no answer) although a migration of theirs committed:
/// of these the caller was in doubt.
int doubtful(const History& history, const Rows& rows);

} // namespace regroup::chaos
