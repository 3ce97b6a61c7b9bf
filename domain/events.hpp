#pragma once
#include "domain/uuid.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace regroup::domain {

/// One event on its way to one endpoint.
struct Delivery {
  std::int64_t id = 0;
  Uuid endpoint_id;
  std::string url;
  std::string secret;
  std::string type; // "migration.completed"
  std::string body; // JSON; the same at each attempt
};

/// Which events are due now. Those that are given out are this replica's until `lease` has passed.
struct ClaimEvents {
  std::vector<Uuid> busy;   // the endpoint of each delivery that is under way here
  std::vector<Uuid> barred; // endpoints that this replica may not reach
  std::size_t most = 0;
  std::chrono::milliseconds lease{};
};

/// What became of deliveries.
struct SettleEvents {
  enum class Outcome : std::uint8_t {
    delivered,
    failed,  // no answer, or one that says nothing of the event
    refused, // 400 to 499
    held,    // the endpoint asks for a pause
    gone,    // 410: the endpoint wants no event any more
    barred   // this replica may not reach its address; another may
  };
  struct Result {
    std::int64_t id = 0;
    Uuid endpoint_id;
    Outcome outcome = Outcome::delivered;
    std::string error{};         // empty when delivered
    std::chrono::seconds hold{}; // when held
  };
  std::vector<Result> results;
};

/// From a replica's sender.
struct EventJob {
  std::variant<ClaimEvents, SettleEvents> what;
  std::chrono::steady_clock::time_point deadline;
};

struct EventsClaimed {
  std::vector<Delivery> deliveries;
  bool has_endpoints = true; // false: nobody wants to be told anything
};

} // namespace regroup::domain
