#include "db/transaction.hpp"

#include <optional>
#include <utility>

namespace regroup::db {
namespace {

/// The answers of one round trip: first those before the statement's (BEGIN and the limits), then
/// the statement's, then COMMIT's.
struct Answers {
  std::optional<Reply> reply; // set if every answer was a success
  Failure failure;
  bool warned = false; // PostgreSQL warned at COMMIT
};

Answers read(Pipeline& pipeline, int before, bool commits) {
  Pipeline::Answer answer;
  for (int each = 0; each <= before; ++each) {
    answer = pipeline.next();
    if (!answer.reply)
      return {std::nullopt, std::move(answer.failure)};
  }
  if (!commits)
    return {std::move(answer.reply), {}};
  const auto committed = pipeline.next();
  if (!committed.reply)
    return {std::nullopt, committed.failure};
  if (committed.reply->tag() != "COMMIT")
    return {std::nullopt, {{}, "COMMIT was answered with something else"}};
  return {std::move(answer.reply), {}, committed.warned};
}

/// A named statement is unknown, or was prepared by another client: the backend is not ours alone.
bool is_of_another_session(const NotKept& why) {
  return why.sqlstate() == "26000" || why.sqlstate() == "42P05";
}

} // namespace

Transaction::~Transaction() {
  if (state_ == State::open)
    session_.roll_back();
}

Task<Reply> Transaction::run(const Statement& statement, Parameters&& parameters) {
  return trip(statement, std::move(parameters), false);
}

Task<Reply> Transaction::run_and_commit(const Statement& statement, Parameters&& parameters) {
  return trip(statement, std::move(parameters), true);
}

/// Returns false if the connection did not take everything. `left`: some of it may have been sent.
bool Transaction::send(Pipeline& pipeline, const Statement& statement, const Parameters& parameters,
                       bool commits, bool& left) {
  if (state_ == State::fresh && !pipeline.add(statements::begin))
    return false;
  left = true; // libpq sends when its buffer is full, and always at the end
  const bool sets = state_ == State::fresh && !session_.has_limits();
  return (!sets || pipeline.add(statements::set_local, session_.limits())) &&
         pipeline.add(statement, parameters) && (!commits || pipeline.add(statements::commit)) &&
         pipeline.send();
}

Task<Reply> Transaction::trip(const Statement& statement, Parameters parameters, bool commits) {
  if (state_ == State::fresh)
    co_await session_.open();
  const int limits = session_.has_limits() ? 0 : 1;
  const int before = state_ == State::fresh ? 1 + limits : 0; // BEGIN and the limits
  std::optional<Pipeline> pipeline{std::in_place, session_.connection(), session_.prepares()};
  bool left = state_ != State::fresh;
  const bool sent = send(*pipeline, statement, parameters, commits, left);
  state_ = State::over;
  Answers answers{std::nullopt, {{}, "the connection broke while the statements were sent"}};
  if (sent) {
    co_await session_.answers_of(*pipeline);
    answers = read(*pipeline, before, commits);
  }
  if (answers.reply && !pipeline->finish()) {
    answers.reply.reset();
    answers.failure = {{}, "the connection broke behind the answer"};
  }
  if (!answers.reply) {
    const Ended otherwise = left && commits ? Ended::unknown : Ended::unsent;
    const NotKept why = co_await session_.not_kept(pipeline, answers.failure, otherwise);
    if (is_of_another_session(why))
      session_.is_shared();
    throw why;
  }
  if (answers.warned)
    throw NotKept(Ended::unknown, "01000", "COMMIT ended with a warning");
  if (!commits)
    state_ = State::open;
  co_return *answers.reply;
}

Task<Reply> run_in_one_trip(Session& session, const Statement& statement, Parameters&& parameters) {
  Transaction transaction{session};
  co_return co_await transaction.run_and_commit(statement, std::move(parameters));
}

} // namespace regroup::db
