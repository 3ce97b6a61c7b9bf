#pragma once
#include "db/session.hpp"
#include "db/task.hpp"

#include <cstdint>
#include <exception>
#include <string>

namespace regroup::db {

/// Runs the statements of one transaction; every job uses it. BEGIN goes in one round trip with the
/// first statement, COMMIT with the last. If one statement is both, PostgreSQL goes from BEGIN to
/// COMMIT without waiting for us, and holds the statement's locks for no longer than that takes,
/// even if this replica freezes. COMMIT is then on its way before the statement's outcome is known,
/// so the statement must raise an error whenever what it wrote must not stay.
///
/// Every member function throws NotKept and leaves the session in step or dropped. A failure other
/// than `refused` is `unsent` as long as nothing of the round trip with COMMIT can have been sent,
/// and `unknown` afterwards.
///
/// With GCC 12, an awaited expression must not create a temporary by braces or `?:` (it is
/// destroyed twice): give it a name first (tests/unit/layering_test.cpp looks for these).
class Transaction {
public:
  /// Sends nothing yet.
  explicit Transaction(Session& session) : session_(session) {}
  /// Rolls back a transaction that is still open, without waiting for the answer.
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  Task<Reply> run(const Statement& statement, Parameters&& parameters);
  Task<Reply> run(const Statement& statement) { return trip(statement, {}, false); }

  /// Also throws `unknown` if PostgreSQL committed with a warning: cancelling the wait for the
  /// synchronous standby "succeeds" that way, though the row may exist on that one server only
  /// (manual, 20.5.1 and 27.2.8). Regroup never cancels a COMMIT, and statement_timeout does not
  /// bound that wait.
  Task<Reply> run_and_commit(const Statement& statement, Parameters&& parameters);

private:
  enum class State : std::uint8_t { fresh, open, over };

  Task<Reply> trip(const Statement& statement, Parameters parameters, bool commits);
  bool send(Pipeline& pipeline, const Statement& statement, const Parameters& parameters,
            bool commits, bool& left);

  Session& session_;
  State state_ = State::fresh;
};

/// Decodes the reply of a transaction that was kept. An exception from `decode` makes the end
/// `unknown`: the change is there, but we cannot say what it was.
template <class Decode> auto decoded(const Reply& reply, const Decode& decode) {
  try {
    return decode(reply);
  } catch (const std::exception& why) {
    throw NotKept(Ended::unknown, {}, std::string{"the answer cannot be read: "} + why.what());
  }
}

/// Runs a transaction of one statement; see Transaction. Throws NotKept.
Task<Reply> run_in_one_trip(Session& session, const Statement& statement, Parameters&& parameters);

} // namespace regroup::db
