#include "db/retry.hpp"

#include <algorithm>
#include <chrono>
#include <random>
#include <thread>

namespace regroup::db {

using domain::Refused;

void pause_before_retry(int attempt, domain::Deadline deadline) {
  thread_local std::minstd_rand generator{std::random_device{}()};
  std::uniform_int_distribution<int> spread{10, 30 << attempt};
  const auto until =
      std::chrono::steady_clock::now() + std::chrono::milliseconds{spread(generator)};
  std::this_thread::sleep_until(std::min(until, deadline));
}

bool is_worth_retrying(std::string_view sqlstate) {
  return sqlstate == "40001"     // serialization failure
         || sqlstate == "40P01"  // deadlock
         || sqlstate == "RG001"  // another writer was first: the next look sees it
         || sqlstate == "25006"; // a standby, while a failover is under way
}

Refused refusal_for(std::string_view sqlstate) {
  const bool passing = is_worth_retrying(sqlstate) || sqlstate == "55P03" // lock_timeout
                       || sqlstate == "57014"                             // statement_timeout
                       || sqlstate.starts_with("53"); // disk, memory, connections
  return passing ? Refused::database_unavailable : Refused::internal;
}

} // namespace regroup::db
