// Jobs of a replica's webhook sender. If the end of a claim is unknown, the claimed events are due
// again when their lease expires.
#include "domain/events.hpp"

#include "db/codec.hpp"
#include "db/event_statements.hpp"
#include "db/jobs.hpp"
#include "db/transaction.hpp"

#include <array>
#include <utility>

namespace regroup::db {
namespace {

using domain::Result;

Task<Result<domain::EventsClaimed>> claim(Session& session, const domain::ClaimEvents& what) {
  Parameters parameters{uuid_array_text(what.busy), uuid_array_text(what.barred),
                        std::to_string(what.most), std::to_string(what.lease.count())};
  const Reply due =
      co_await run_in_one_trip(session, statements::claim_events, std::move(parameters));
  domain::EventsClaimed claimed;
  for (std::size_t number = 0; number < due.rows(); ++number) {
    const Row row = due.row(number);
    claimed.deliveries.push_back({row.number("id"), uuid(row.text("endpoint_id")),
                                  std::string{row.text("url")}, std::string{row.text("secret")},
                                  std::string{row.text("type")}, std::string{row.text("body")}});
  }
  if (claimed.deliveries.empty()) {
    Parameters none;
    const Reply found =
        co_await run_in_one_trip(session, statements::has_endpoints, std::move(none));
    claimed.has_endpoints = found.row(0).flag("has_endpoints");
  }
  co_return claimed;
}

constexpr std::array kOutcomes{"delivered", "failed", "refused",
                               "held",      "gone",   "barred"}; // by Outcome

Task<Result<domain::Done>> settle(Session& session, const domain::SettleEvents& what) {
  std::vector<std::int64_t> ids;
  std::vector<std::int64_t> holds;
  std::vector<std::string> outcomes;
  std::vector<std::string> errors;
  for (const auto& result : what.results) {
    ids.push_back(result.id);
    holds.push_back(result.hold.count());
    outcomes.emplace_back(kOutcomes.at(static_cast<std::size_t>(result.outcome)));
    errors.push_back(result.error);
  }
  Parameters parameters{number_array_text(ids), text_array_text(outcomes), text_array_text(errors),
                        number_array_text(holds)};
  co_await run_in_one_trip(session, statements::settle_events, std::move(parameters));
  co_return domain::Done{};
}

} // namespace

void add_events(JobTable& table) {
  table.add(claim);
  table.add(settle);
}

} // namespace regroup::db
