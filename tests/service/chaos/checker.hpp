#pragma once
#include "tests/service/chaos/history.hpp"

#include <string>
#include <vector>

namespace regroup::chaos {

/// Sentences, each about one registration group.
struct Verdict {
  std::vector<std::string> lost;       // promised (201, `completed`), and not in the database
  std::vector<std::string> duplicated; // done twice
  std::vector<std::string> partial;    // some of an operation's rows without the others
  std::vector<std::string> untrue;     // an answer that the database contradicts

  bool clean() const {
    return lost.empty() && duplicated.empty() && partial.empty() && untrue.empty();
  }
};

/// Holds what the clients were told against what is there. Needs nothing but its arguments.
///
/// Whose request made a migration or an undo? The audit row has the request's trace id. A change's
/// row has none: but a caller asks for the same change of the same devices once, or several times
/// by one Idempotency-Key, which are one then.
Verdict check(const History& history, const Rows& rows);

/// The requests that were answered 504, and those that got no outcome (202, no answer) although
/// what they asked for committed: of these the caller was in doubt.
Counts doubtful(const History& history, const Rows& rows);

} // namespace regroup::chaos
