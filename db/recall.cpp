#include "db/codec.hpp"
#include "db/jobs.hpp"
#include "db/transaction.hpp"
#include "domain/command.hpp"

#include <algorithm>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace regroup::db {
namespace {

using domain::Refusal;
using domain::Refused;
using domain::Uuid;

/// Only users whom the migration concerns learn what became of the registration group.
Refusal refusal_from(const Reply& reply, std::size_t row,
                     const std::string& registration_group_id) {
  if (reply.text(row, "is_active") != "t")
    return Refusal{.reason = Refused::unauthorized};
  Refusal refusal{.reason = Refused::already_migrated,
                  .registration_group_id = registration_group_id};
  if (reply.text(row, "concerned") == "t") {
    refusal.migration_id = optional_uuid(reply, row, "migration_id");
    refusal.authenticated_group_id = optional_uuid(reply, row, "authenticated_group_id");
    if (!reply.is_null(row, "group_name"))
      refusal.group_name = reply.text(row, "group_name");
  }
  return refusal;
}

std::string distinct(std::vector<Uuid> users) {
  std::sort(users.begin(), users.end());
  users.erase(std::unique(users.begin(), users.end()), users.end());
  return uuid_array_text(users);
}

domain::MigrationRecalled answer_from(const Reply& found, const domain::RecallMigration& query) {
  domain::MigrationRecalled recalled;
  if (found.empty())
    return recalled;
  std::unordered_map<Uuid, Refusal, domain::UuidHash> by_user;
  for (std::size_t row = 0; row < found.rows(); ++row)
    by_user.emplace(uuid(found.text(row, "user_id")),
                    refusal_from(found, row, query.registration_group_id));
  recalled.answers.reserve(query.users.size());
  for (const auto& user : query.users)
    recalled.answers.push_back(by_user.at(user));
  return recalled;
}

/// Changes nothing, so it may be sent again.
Task<domain::Result<domain::MigrationRecalled>>
recall_migration(Session& session, const domain::RecallMigration& query) {
  Parameters parameters{query.registration_group_id, distinct(query.users)};
  const Reply reply =
      co_await run_in_one_trip(session, statements::recall_migration, std::move(parameters));
  co_return decoded(reply, [&](const Reply& found) { return answer_from(found, query); });
}

} // namespace

void add_recall(JobTable& table) { table.add(recall_migration); }

} // namespace regroup::db
