#include "db/retry.hpp"

#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <algorithm>
#include <chrono>
#include <random>

namespace regroup::db {

using domain::Refused;

namespace {

std::chrono::milliseconds spread_over(int least, int most) {
  thread_local std::minstd_rand generator{std::random_device{}()};
  return std::chrono::milliseconds{std::uniform_int_distribution<int>{least, most}(generator)};
}

} // namespace

Task<void> pause_before_retry(int attempt, domain::Deadline deadline) {
  const auto until = std::chrono::steady_clock::now() + spread_over(10, 30 << attempt);
  const auto loop = co_await asio::this_coro::executor;
  asio::steady_timer timer{loop, std::min(until, deadline)};
  co_await timer.async_wait(asio::use_awaitable);
}

namespace {

/// SQLSTATEs with which PostgreSQL promises that nothing was committed, and which may not occur a
/// moment later.
bool is_passing(std::string_view sqlstate) {
  return sqlstate == "40001"                           // serialization failure
         || sqlstate == "40P01"                        // deadlock
         || sqlstate == "26000" || sqlstate == "42P05" // the pooler gave us another session
         || sqlstate == "RG001" ||
         sqlstate == "23505" // another was first: the next attempt sees it
         || sqlstate == "0A000" || sqlstate == "25006"; // a standby, while a failover is under way
}

} // namespace

bool cannot_write(const NotKept& why) {
  return why.sqlstate() == "0A000" || why.sqlstate() == "25006";
}

bool is_worth_another_attempt(const NotKept& why, int attempts, domain::Deadline deadline) {
  if (attempts >= kMostAttempts || std::chrono::steady_clock::now() >= deadline)
    return false;
  return why.ended() == Ended::unsent ||
         (why.ended() == Ended::refused && is_passing(why.sqlstate()));
}

Refused refusal_for(const NotKept& why) {
  const std::string_view sqlstate = why.sqlstate();
  if (why.ended() == Ended::refused && sqlstate == "55P03")
    return Refused::lock_timeout;
  const bool passing = why.ended() == Ended::unsent || is_passing(sqlstate) ||
                       sqlstate == "57014"            // statement_timeout
                       || sqlstate == "RG002"         // fenced by its settlement
                       || sqlstate.starts_with("53"); // disk, memory, connections
  return passing ? Refused::database_unavailable : Refused::internal;
}

} // namespace regroup::db
