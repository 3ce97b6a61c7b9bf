#include "db/one_trip.hpp"

#include <utility>

namespace regroup::db {
namespace {

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

OneTrip::OneTrip(Session& session, const Statement& statement, const Parameters& parameters)
    : session_(session), connection_(session.connection()) {
  pipeline_.emplace(connection_, session.prepares());
  send(statement, parameters);
}

OneTrip::~OneTrip() {
  if (!pipeline_)
    return;
  pipeline_->abandon();
  pipeline_.reset();
  session_.drop();
}

void OneTrip::send(const Statement& statement, const Parameters& parameters) {
  if (!pipeline_->add(statements::begin) ||
      !pipeline_->add(statements::set_local, session_.limits()) ||
      !pipeline_->add(statement, parameters))
    return fail(Stage::unsent, {{}, "the connection broke before COMMIT was sent", true});
  if (!pipeline_->add(statements::commit) || !pipeline_->send())
    return fail(Stage::statement, {{}, "the connection broke while COMMIT was sent", true});
}

void OneTrip::fail(Stage at, Failure why) {
  reached_ = at;
  why_ = std::move(why);
  pipeline_.reset();
}

bool OneTrip::has_arrived() { return !pipeline_ || pipeline_->has_arrived(); }

void OneTrip::read() {
  if (!pipeline_)
    return;
  Pipeline::Answer answer;
  for (int before_commit = 0; before_commit < 3; ++before_commit) {
    answer = pipeline_->next();
    if (!answer.reply)
      return fail(Stage::statement, answer.failure);
  }
  const auto committed = pipeline_->next();
  if (!committed.reply)
    return fail(Stage::commit, committed.failure);
  if (committed.reply->tag() != "COMMIT")
    return fail(Stage::statement, {"25P02", "PostgreSQL rolled back", false});
  reached_ = Stage::done;
  reply_ = std::move(answer.reply);
  warned_ = committed.warned;
  pipeline_.reset();
}

bool OneTrip::went_well() {
  read();
  return reached_ == Stage::done && !warned_;
}

Reply OneTrip::finish() {
  read();
  if (reached_ == Stage::done) {
    if (warned_)
      throw CommitInDoubt("COMMIT ended with a warning");
    return *reply_;
  }
  if (!why_.ends_session) {
    if (reached_ == Stage::statement)
      roll_back(session_);
    throw StatementFailed(why_.sqlstate, why_.what);
  }
  session_.drop();
  // PostgreSQL's own word that the session ended before the statement did: it skips what follows.
  const bool is_certain =
      reached_ == Stage::unsent || (reached_ == Stage::statement && !why_.sqlstate.empty());
  if (is_certain)
    throw ConnectionLost(why_.what);
  throw CommitInDoubt(why_.what);
}

Reply run_in_one_trip(Session& session, const Statement& statement, const Parameters& parameters) {
  session.open();
  return OneTrip{session, statement, parameters}.finish();
}

} // namespace regroup::db
