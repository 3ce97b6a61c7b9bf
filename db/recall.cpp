#include "db/recall.hpp"

#include "db/codec.hpp"
#include "db/retry.hpp"
#include "db/settlement.hpp"

#include <algorithm>
#include <chrono>
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
      : session_(session), query_(std::move(query)) {}

  /// Over a session that is ready.
  void send() {
    trip_.emplace(session_, statements::recall_migration,
                  Parameters{query_.registration_group_id, distinct(query_.users)});
  }

  bool has_arrived() override { return trip_->has_arrived(); }

  std::optional<Answer> answer() override {
    if (!trip_->went_well())
      return std::nullopt;
    return read();
  }

  /// It changes nothing, so it is sent again whatever broke.
  Answer finish() override {
    for (int attempts = 1;; ++attempts) {
      try {
        if (!trip_) {
          session_.open();
          send();
        }
        return read();
      } catch (const NotKept& why) {
        trip_.reset();
        if (!session_.is_ready())
          throw ConnectionLost{{query_}};
        const bool has_time = std::chrono::steady_clock::now() < query_.deadline;
        if (!(why.ended() == Ended::unknown && has_time) &&
            !is_worth_another_attempt(why, attempts, query_.deadline))
          return Refusal{.reason = refusal_for(why)};
      }
      pause_before_retry(std::min(attempts, kMostAttempts), query_.deadline);
    }
  }

private:
  Answer read() {
    return decoded(trip_->finish(), [this](const Reply& reply) { return answer_from(reply); });
  }

  Answer answer_from(const Reply& found) const {
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

  static std::string distinct(std::vector<Uuid> users) {
    std::sort(users.begin(), users.end());
    users.erase(std::unique(users.begin(), users.end()), users.end());
    return uuid_array_text(users);
  }

  Session& session_;
  domain::RecallMigration query_;
  std::optional<OneTrip> trip_;
};

} // namespace

Answer recall_migration(Session& session, const domain::RecallMigration& query) {
  return Recall{session, query}.finish();
}

std::unique_ptr<UnderWay> begin_recall(Session& session, domain::RecallMigration query) {
  auto recall = std::make_unique<Recall>(session, std::move(query));
  recall->send();
  return recall;
}

} // namespace regroup::db
