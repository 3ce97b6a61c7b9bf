#pragma once
#include "db/session.hpp"
#include "db/task.hpp"

#include <cstdint>
#include <exception>
#include <string>

namespace regroup::db {

/// The one way to run statements for a job. BEGIN goes with the first of them in one round trip,
/// COMMIT with the last: where that is the same, PostgreSQL goes from BEGIN to COMMIT without
/// waiting for us, and what the statement locks is held for no longer than it takes, also by a
/// replica that freezes. COMMIT is then on its way before the statement's outcome is known, so the
/// statement has to raise an error whenever what it wrote must not stay.
///
/// Every member throws NotKept; then the session is in step, or dropped. Before COMMIT was sent
/// what broke is `unsent`, after it `unknown`.
///
/// With GCC 12 an expression that is awaited must make no temporary by braces or by `?:` (it is
/// destroyed twice): name it before (tests/unit/layering_test.cpp looks for such).
class Transaction {
public:
  /// Sends nothing yet.
  explicit Transaction(Session& session) : session_(session) {}
  /// Rolls back what was not committed, without waiting.
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  Task<Reply> run(const Statement& statement, Parameters&& parameters);
  Task<Reply> run(const Statement& statement) { return trip(statement, {}, false); }

  /// `unknown` also where PostgreSQL committed with a warning: a wait for the synchronous standby
  /// that was cancelled "succeeds" so, though the row may be nowhere else (manual, 20.5.1 and
  /// 27.2.8). Regroup never cancels a COMMIT, and statement_timeout does not bound that wait.
  Task<Reply> run_and_commit(const Statement& statement, Parameters&& parameters);

private:
  enum class State : std::uint8_t { fresh, open, over };

  Task<Reply> trip(const Statement& statement, Parameters parameters, bool commits);
  bool send(Pipeline& pipeline, const Statement& statement, const Parameters& parameters,
            bool commits, bool& left);

  Session& session_;
  State state_ = State::fresh;
};

/// Reads an answer out of a reply that was kept. What `decode` throws makes the end unknown: it is
/// there, but cannot be told.
template <class Decode> auto decoded(const Reply& reply, const Decode& decode) {
  try {
    return decode(reply);
  } catch (const std::exception& why) {
    throw NotKept(Ended::unknown, {}, std::string{"the answer cannot be read: "} + why.what());
  }
}

/// A transaction of one statement; see Transaction. Throws NotKept.
Task<Reply> run_in_one_trip(Session& session, const Statement& statement, Parameters&& parameters);

} // namespace regroup::db
