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
  std::vector<Uuid> busy; // the endpoint of each delivery that is under way here
  std::chrono::milliseconds lease{};
};

/// What became of deliveries.
struct SettleEvents {
  struct Result {
    std::int64_t id = 0;
    std::string error; // empty: the endpoint has it
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
