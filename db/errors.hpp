#pragma once
#include <stdexcept>
#include <string>
#include <utility>

namespace regroup::db {

/// The database could not be reached, or went away before a COMMIT was sent: nothing was changed.
struct ConnectionLost : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// A COMMIT was sent, and it is not known (or not durable as promised) what became of it.
struct CommitInDoubt : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// PostgreSQL refused a statement, and with it the transaction: nothing was changed. what() is
/// PostgreSQL's own message: for the log, never for a caller.
class StatementFailed : public std::runtime_error {
public:
  StatementFailed(std::string sqlstate, const std::string& what)
      : std::runtime_error(what), sqlstate_(std::move(sqlstate)) {}

  /// Five characters (PostgreSQL manual, appendix A), or `RG001`, raised by functions/migrate.sql.
  const std::string& sqlstate() const { return sqlstate_; }

private:
  std::string sqlstate_;
};

} // namespace regroup::db
