#pragma once
#include "domain/job.hpp"
#include "domain/uuid.hpp"

#include <chrono>
#include <cstdint>
#include <string>
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

struct EventsClaimed {
  std::vector<Delivery> deliveries;
  bool has_endpoints = true; // false: no webhook is registered
};

/// Claims events that are due. They belong to this replica until `lease` has passed.
struct ClaimEvents {
  std::vector<Uuid> busy;   // endpoints of this replica's running deliveries
  std::vector<Uuid> barred; // endpoints that this replica may not reach
  std::size_t most = 0;
  std::chrono::milliseconds lease{};
  Deadline deadline;

  using Answer = EventsClaimed;
  static constexpr JobTraits traits{
      .lane = Lane::administration, .writes = true, .repeats = false}; // the sender asks again
};

/// What became of deliveries.
struct SettleEvents {
  enum class Outcome : std::uint8_t {
    delivered,
    failed,  // no answer, or one that says nothing about the event
    refused, // 400 to 499
    held,    // the endpoint asked for a pause
    gone,    // 410: the endpoint wants no more events
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
  Deadline deadline;

  using Answer = Done;
  static constexpr JobTraits traits{
      .lane = Lane::administration, .writes = true, .repeats = false}; // the sender asks again
};

} // namespace regroup::domain
