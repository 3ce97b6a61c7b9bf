#pragma once
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>

namespace regroup::db {

/// What a replica knows of a transaction's end (contract, "In doubt"). There are these four, and
/// this is the one place that names them.
enum class Ended : std::uint8_t {
  unsent,  // COMMIT never left, in one trip no byte at all: nothing was changed, nor will be
  refused, // PostgreSQL itself answered one of our statements with an ERROR, and the session is in
           // step again: it rolled back
  kept,    // COMMIT completed without a warning, and the whole answer was read
  unknown // anything else. It may be there, or its bytes may lie unread in a socket or a pooler and
          // be run later: settlement.hpp finds out
};

/// A transaction that was not kept. what() is PostgreSQL's or libpq's own message: for the log,
/// never for a caller.
class NotKept : public std::runtime_error {
public:
  NotKept(Ended ended, std::string sqlstate, const std::string& what)
      : std::runtime_error(what), ended_(ended), sqlstate_(std::move(sqlstate)) {}

  /// Never `kept`.
  Ended ended() const { return ended_; }

  /// Five characters (PostgreSQL manual, appendix A), `RG001` or `RG002`, raised by
  /// functions/migrate.sql and others; empty where PostgreSQL said none.
  const std::string& sqlstate() const { return sqlstate_; }

private:
  Ended ended_;
  std::string sqlstate_;
};

} // namespace regroup::db
