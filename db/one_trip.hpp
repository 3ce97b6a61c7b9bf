#pragma once
#include "db/pipeline.hpp"
#include "db/session.hpp"
#include "domain/outcome.hpp"

#include <exception>
#include <optional>

namespace regroup::db {

/// One statement in a transaction of its own, BEGIN to COMMIT in one round trip. The server goes
/// from BEGIN to COMMIT without waiting for us: what the statement locks is held for no longer than
/// it takes, also by a replica that freezes. COMMIT is on its way before the statement's outcome is
/// known, so the statement has to raise an error whenever what it wrote must not stay.
///
/// To not wait, ask has_arrived() each time the session's socket can be read, and then went_well().
class OneTrip {
public:
  /// Sends all of it over the session's open connection. What fails is told by finish().
  OneTrip(Session& session, const Statement& statement, const Parameters& parameters);
  /// Drops the session's connection when its answers were not read.
  ~OneTrip();
  OneTrip(const OneTrip&) = delete;
  OneTrip& operator=(const OneTrip&) = delete;

  /// Whether nothing has to be waited for any more. Does not wait.
  [[nodiscard]] bool has_arrived();

  /// Whether finish() will return at once and not throw. Waits for what has not arrived.
  [[nodiscard]] bool went_well();

  /// Waits for the statement's reply. Throws NotKept; then the session is in step, or dropped.
  Reply finish();

private:
  void send(const Statement& statement, const Parameters& parameters);
  void read();

  Session& session_;
  std::optional<Pipeline> pipeline_; // until all answers are read
  bool left_ = false;                // some of it may have been sent
  Failure why_;                      // unless there is a reply
  std::optional<Reply> reply_;       // COMMIT was answered as well
  bool warned_ = false;
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

/// Opens the session and waits for the answer. Throws NotKept.
template <class Decode>
auto run_in_one_trip(Session& session, const Statement& statement, const Parameters& parameters,
                     const Decode& decode) {
  session.open();
  return decoded(OneTrip{session, statement, parameters}.finish(), decode);
}

/// A job that is one trip, sent, and its answer not read yet.
class UnderWay {
public:
  virtual ~UnderWay() = default;

  /// As OneTrip's. Does not wait.
  virtual bool has_arrived() = 0;

  /// After has_arrived(): the answer, unless something went wrong that takes further trips. Does
  /// not wait.
  virtual std::optional<domain::Answer> answer() = 0;

  /// The answer, whatever it takes. Throws as the job does that is run as a whole.
  virtual domain::Answer finish() = 0;
};

} // namespace regroup::db
