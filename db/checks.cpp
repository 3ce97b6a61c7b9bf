// Whether a key is known, and whether the database is there.
#include "db/jobs.hpp"
#include "db/schema/schema_steps.hpp"
#include "db/transaction.hpp"
#include "domain/command.hpp"

#include <string>
#include <utility>

namespace regroup::db {
namespace {

using domain::Refusal;
using domain::Refused;
using domain::Result;

Task<Result<domain::ApiKeyFacts>> check_api_key(Session& session,
                                                const domain::CheckApiKey& query) {
  Parameters parameters{query.key_hash};
  const Reply found =
      co_await run_in_one_trip(session, statements::find_api_key, std::move(parameters));
  if (found.empty())
    co_return Refusal{.reason = Refused::unauthorized};
  co_return domain::ApiKeyFacts{found.number(0, "id"), found.row(0).flag("is_admin")};
}

Task<Result<domain::Healthy>> check_health(Session& session, const domain::CheckHealth& /*query*/) {
  Parameters none;
  const Reply newest = co_await run_in_one_trip(session, statements::check_health, std::move(none));
  const bool complete =
      !newest.is_null(0, "step") &&
      newest.number(0, "step") >= std::stoi(std::string{schema_steps().back().name});
  if (!complete)
    co_return Refusal{.reason = Refused::database_unavailable};
  co_return domain::Healthy{};
}

} // namespace

void add_checks(JobTable& table) {
  table.add(check_api_key);
  table.add(check_health);
}

} // namespace regroup::db
