#include "db/one_trip.hpp"

#include <cstdint>
#include <optional>

namespace regroup::db {
namespace {

/// How far it came.
enum class Stage : std::uint8_t {
  unsent,    // COMMIT was not sent
  statement, // COMMIT was sent, and what stands before it has no good answer
  commit,    // the statement was answered, COMMIT was not or not well
  done
};

struct Trip {
  Stage reached = Stage::unsent;
  Failure why; // unless it is done
  std::optional<Reply> reply;
};

Trip travel(Connection& connection, bool prepared, const Parameters& limits,
            const Statement& statement, const Parameters& parameters) {
  Pipeline pipeline{connection, prepared};
  if (!pipeline.add(statements::begin) || !pipeline.add(statements::set_local, limits) ||
      !pipeline.add(statement, parameters))
    return {Stage::unsent, {{}, "the connection broke before COMMIT was sent", true}, {}};
  if (!pipeline.add(statements::commit) || !pipeline.send())
    return {Stage::statement, {{}, "the connection broke while COMMIT was sent", true}, {}};
  Pipeline::Answer answer;
  for (int before_commit = 0; before_commit < 3; ++before_commit) {
    answer = pipeline.next();
    if (!answer.reply)
      return {Stage::statement, answer.failure, {}};
  }
  connection.forget_warnings(); // of the statement's own; what comes now is COMMIT's
  const auto committed = pipeline.next();
  if (!committed.reply)
    return {Stage::commit, committed.failure, {}};
  if (committed.reply->tag() != "COMMIT")
    return {Stage::statement, {"25P02", "PostgreSQL rolled back", false}, {}};
  return {Stage::done, {}, answer.reply};
}

/// After a failure between BEGIN and COMMIT the transaction is open still, and good for nothing.
void roll_back(Session& session) {
  bool done = false;
  {
    Pipeline pipeline{session.open(), false};
    done = pipeline.add(statements::rollback) && pipeline.send() && pipeline.next().reply;
  }
  if (!done)
    session.drop();
}

} // namespace

Reply run_in_one_trip(Session& session, const Statement& statement, const Parameters& parameters) {
  Connection& connection = session.open();
  Trip trip = travel(connection, session.prepares(), session.limits(), statement, parameters);
  if (trip.reached == Stage::done) {
    if (connection.warned())
      throw CommitInDoubt("COMMIT ended with a warning");
    return *std::move(trip.reply);
  }
  if (!trip.why.ends_session) {
    if (trip.reached == Stage::statement)
      roll_back(session);
    throw StatementFailed(trip.why.sqlstate, trip.why.what);
  }
  session.drop();
  // PostgreSQL's own word that the session ended before the statement did: it skips what follows.
  const bool is_certain = trip.reached == Stage::unsent ||
                          (trip.reached == Stage::statement && !trip.why.sqlstate.empty());
  if (is_certain)
    throw ConnectionLost(trip.why.what);
  throw CommitInDoubt(trip.why.what);
}

} // namespace regroup::db
