#pragma once
#include "db/pipeline.hpp"
#include "db/session.hpp"
#include "domain/outcome.hpp"

#include <cstdint>
#include <optional>

namespace regroup::db {

/// One statement in a transaction of its own, BEGIN to COMMIT in one round trip. The server goes
/// from BEGIN to COMMIT without waiting for us: what the statement locks is held for no longer than
/// it takes, also by a replica that freezes. COMMIT is on its way before the statement's outcome is
/// known, so the statement has to raise an error whenever what it wrote must not stay.
///
/// Who does not want to wait asks has_arrived() each time the session's socket can be read, and
/// then went_well().
class OneTrip {
public:
  /// Sends all of it over the session's open connection. What fails is told by finish().
  OneTrip(Session& session, const Statement& statement, const Parameters& parameters);
  /// Whose answers nobody has read leaves a session without a connection.
  ~OneTrip();
  OneTrip(const OneTrip&) = delete;
  OneTrip& operator=(const OneTrip&) = delete;

  /// Whether nothing has to be waited for any more. Does not wait.
  [[nodiscard]] bool has_arrived();

  /// Whether finish() will return at once and not throw. Waits for what has not arrived.
  [[nodiscard]] bool went_well();

  /// Waits for the statement's reply. Throws ConnectionLost: PostgreSQL did not come to COMMIT.
  /// StatementFailed: it rolled back. CommitInDoubt: the connection broke before PostgreSQL told
  /// its outcome, or it committed with a warning (see Transaction::commit).
  Reply finish();

private:
  /// How far it came.
  enum class Stage : std::uint8_t {
    unsent,    // COMMIT was not sent
    statement, // COMMIT was sent, and what stands before it has no good answer
    commit,    // the statement was answered, COMMIT was not or not well
    done
  };

  void send(const Statement& statement, const Parameters& parameters);
  void read();
  void fail(Stage at, Failure why);

  Session& session_;
  Connection& connection_;
  std::optional<Pipeline> pipeline_; // until all answers are read
  Stage reached_ = Stage::unsent;
  Failure why_; // unless it is done
  std::optional<Reply> reply_;
  bool warned_ = false;
};

/// Opens the session and waits for the reply. Throws as finish() does, and ConnectionLost when the
/// session cannot be opened.
Reply run_in_one_trip(Session& session, const Statement& statement, const Parameters& parameters);

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
