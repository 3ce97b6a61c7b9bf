#include "db/recall.hpp"

#include "db/codec.hpp"

#include <algorithm>
#include <unordered_map>
#include <utility>
#include <vector>

namespace regroup::db {
namespace {

using domain::Answer;
using domain::Refusal;
using domain::Refused;
using domain::Uuid;

/// Only those whom it concerns are told what became of the registration group.
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

class Recall final : public UnderWay {
public:
  Recall(Session& session, domain::RecallMigration query)
      : query_(std::move(query)), trip_(session, statements::recall_migration,
                                        {query_.registration_group_id, distinct(query_.users)}) {}

  bool has_arrived() override { return trip_.has_arrived(); }

  std::optional<Answer> answer() override {
    if (!trip_.went_well())
      return std::nullopt;
    return finish();
  }

  Answer finish() override {
    const Reply found = trip_.finish();
    domain::MigrationRecalled recalled;
    if (found.empty())
      return recalled;
    std::unordered_map<Uuid, Refusal, domain::UuidHash> by_user;
    for (std::size_t row = 0; row < found.rows(); ++row)
      by_user.emplace(uuid(found.text(row, "user_id")),
                      refusal_from(found, row, query_.registration_group_id));
    recalled.answers.reserve(query_.users.size());
    for (const auto& user : query_.users)
      recalled.answers.push_back(by_user.at(user));
    return recalled;
  }

private:
  static std::string distinct(std::vector<Uuid> users) {
    std::sort(users.begin(), users.end());
    users.erase(std::unique(users.begin(), users.end()), users.end());
    return uuid_array_text(users);
  }

  domain::RecallMigration query_;
  OneTrip trip_;
};

} // namespace

Answer recall_migration(Session& session, const domain::RecallMigration& query) {
  session.open();
  return Recall{session, query}.finish();
}

std::unique_ptr<UnderWay> begin_recall(Session& session, domain::RecallMigration query) {
  return std::make_unique<Recall>(session, std::move(query));
}

} // namespace regroup::db
