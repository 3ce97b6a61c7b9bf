#include "db/events.hpp"

#include "db/codec.hpp"
#include "db/event_statements.hpp"

#include <array>

namespace regroup::db {
namespace {

using domain::Answer;

Answer claim(Session& session, const domain::ClaimEvents& what) {
  Transaction transaction{session};
  const auto rows = transaction.run(
      statements::claim_events, uuid_array_text(what.busy), uuid_array_text(what.barred),
      static_cast<std::int64_t>(what.most), static_cast<std::int64_t>(what.lease.count()));
  domain::EventsClaimed claimed;
  for (const auto& row : rows)
    claimed.deliveries.push_back({row["id"].as<std::int64_t>(), uuid(row["endpoint_id"]),
                                  row["url"].c_str(), row["secret"].c_str(), row["type"].c_str(),
                                  row["body"].c_str()});
  if (claimed.deliveries.empty())
    claimed.has_endpoints = transaction.run(statements::has_endpoints).front().front().as<bool>();
  else
    transaction.commit();
  return claimed;
}

constexpr std::array kOutcomes{"delivered", "failed", "refused",
                               "held",      "gone",   "barred"}; // by Outcome

Answer settle(Session& session, const domain::SettleEvents& what) {
  std::string ids = "{";
  std::string holds = "{";
  std::vector<std::string> outcomes;
  std::vector<std::string> errors;
  for (const auto& result : what.results) {
    const char* comma = errors.empty() ? "" : ",";
    ids += comma + std::to_string(result.id);
    holds += comma + std::to_string(result.hold.count());
    outcomes.emplace_back(kOutcomes.at(static_cast<std::size_t>(result.outcome)));
    errors.push_back(result.error);
  }
  Transaction transaction{session};
  transaction.run(statements::settle_events, ids + "}", text_array_text(outcomes),
                  text_array_text(errors), holds + "}");
  transaction.commit();
  return domain::Healthy{};
}

} // namespace

Answer work_on_events(Session& session, const domain::EventJob& job) {
  if (const auto* what = std::get_if<domain::ClaimEvents>(&job.what))
    return claim(session, *what);
  return settle(session, std::get<domain::SettleEvents>(job.what));
}

} // namespace regroup::db
