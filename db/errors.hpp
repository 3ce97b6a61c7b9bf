#pragma once
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>

namespace regroup::db {

/// What a replica knows about how a transaction ended (contract, "In doubt"). These are the only
/// four possibilities, and they are named here alone.
enum class Ended : std::uint8_t {
  unsent,  // COMMIT was not sent (in one round trip: not a byte): nothing was changed, nor will be
  refused, // PostgreSQL itself answered one of our statements with an ERROR, and the session is in
           // step again: it rolled back
  kept,    // COMMIT completed without a warning, and the whole answer was read
  unknown  // anything else. It may have committed, or its bytes may lie unread in a socket or a
           // pooler and be run later: settlement.hpp finds out
};

/// A transaction that was not kept. what() is PostgreSQL's or libpq's own message: for the log,
/// never for a caller.
class NotKept : public std::runtime_error {
public:
  NotKept(Ended ended, std::string sqlstate, const std::string& what)
      : std::runtime_error(what), ended_(ended), sqlstate_(std::move(sqlstate)) {}

  /// Never `kept`.
  Ended ended() const { return ended_; }

  /// Five characters (PostgreSQL manual, appendix A), or `RG001` or `RG002`, which
  /// functions/migrate.sql and others raise; empty if PostgreSQL gave none.
  const std::string& sqlstate() const { return sqlstate_; }

private:
  Ended ended_;
  std::string sqlstate_;
};

} // namespace regroup::db
