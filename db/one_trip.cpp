#include "db/one_trip.hpp"

#include <utility>

namespace regroup::db {

OneTrip::OneTrip(Session& session, const Statement& statement, const Parameters& parameters)
    : session_(session) {
  pipeline_.emplace(session.connection(), session.prepares());
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
  if (!pipeline_->add(statements::begin))
    return;
  left_ = true; // libpq sends when its buffer is full, and always at the end
  if (!pipeline_->add(statements::set_local, session_.limits()) ||
      !pipeline_->add(statement, parameters) || !pipeline_->add(statements::commit) ||
      !pipeline_->send())
    why_ = {{}, "the connection broke while the statements were sent"};
}

bool OneTrip::has_arrived() { return !pipeline_ || !why_.what.empty() || pipeline_->has_arrived(); }

void OneTrip::read() {
  if (!pipeline_ || !why_.what.empty())
    return;
  if (!left_) {
    why_ = {{}, "the connection was broken"};
    return;
  }
  Pipeline::Answer answer;
  for (int before_commit = 0; before_commit < 3; ++before_commit) {
    answer = pipeline_->next();
    if (!answer.reply) {
      why_ = std::move(answer.failure);
      return;
    }
  }
  auto committed = pipeline_->next();
  if (!committed.reply) {
    why_ = std::move(committed.failure);
  } else if (committed.reply->tag() != "COMMIT") {
    why_ = {{}, "COMMIT was answered with something else"};
  } else if (pipeline_->finish()) {
    reply_ = std::move(answer.reply);
    warned_ = committed.warned;
    pipeline_.reset();
  } else {
    why_ = {{}, "the connection broke behind COMMIT"};
  }
}

bool OneTrip::went_well() {
  read();
  return reply_ && !warned_;
}

Reply OneTrip::finish() {
  read();
  if (reply_ && warned_)
    throw NotKept(Ended::unknown, "01000", "COMMIT ended with a warning");
  if (reply_)
    return *reply_;
  if (!left_) {
    pipeline_->abandon();
    pipeline_.reset();
    session_.drop();
    throw NotKept(Ended::unsent, {}, why_.what);
  }
  throw session_.not_kept(pipeline_, why_);
}

} // namespace regroup::db
