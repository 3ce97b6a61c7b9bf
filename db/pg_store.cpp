#include "db/pg_store.hpp"

#include "db/administration.hpp"
#include "db/codec.hpp"
#include "db/devices.hpp"
#include "db/events.hpp"
#include "db/group_devices.hpp"
#include "db/listings.hpp"
#include "db/migration.hpp"
#include "db/plan.hpp"
#include "db/progress.hpp"
#include "db/recall.hpp"
#include "db/retry.hpp"
#include "db/schema_steps.hpp"
#include "db/settlement.hpp"
#include "db/undo.hpp"

#include <algorithm>
#include <exception>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

namespace regroup::db {
namespace {

using domain::Answer;
using domain::Refusal;
using domain::Refused;
using Clock = std::chrono::steady_clock;

/// Ids that are sent along, without waiting for room in the socket's buffer: 150 take 6 KiB of the
/// 200 that Linux has.
constexpr std::size_t kMostSentAtOnce = 150;

Answer check_api_key(Session& session, const domain::CheckApiKey& query) {
  Transaction transaction{session};
  const auto rows = transaction.run(statements::find_api_key, query.key_hash);
  if (rows.empty())
    return Refusal{Refused::unauthorized};
  return domain::ApiKeyFacts{rows.front()["id"].as<std::int64_t>(),
                             rows.front()["is_admin"].as<bool>()};
}

Answer check_health(Session& session) {
  Transaction transaction{session};
  const auto newest = transaction.run(statements::check_health).front().front();
  const bool complete =
      !newest.is_null() && newest.as<int>() >= std::stoi(std::string{schema_steps().back().name});
  return complete ? Answer{domain::Healthy{}} : Answer{Refusal{Refused::database_unavailable}};
}

/// Sent again after an end that is unknown, it comes to the same. Not so the events of a replica's
/// sender, which asks again by itself; operations settle their doubts (settlement.hpp).
bool can_be_repeated(const domain::Job& job) {
  return !std::holds_alternative<domain::EventJob>(job) && !domain::operation_of(job);
}

} // namespace

PgStore::PgStore(const config::Settings::Database& settings, const SchemaFacts& facts,
                 domain::Log& log, domain::Metrics& metrics)
    : session_(settings, log, metrics), facts_(facts), log_(log), metrics_(metrics) {}

Answer PgStore::execute(const domain::Job& job) noexcept {
  return answered(domain::operation_of(job), [&]() -> Answer {
    bool doubted = false;
    for (int attempts = 1;; ++attempts) {
      try {
        return run(job, doubted);
      } catch (const NotKept& why) {
        doubted = doubted || why.ended() == Ended::unknown;
        const bool has_time = Clock::now() < domain::deadline_of(job);
        const bool again = can_be_repeated(job) &&
                           (is_worth_another_attempt(why, attempts, domain::deadline_of(job)) ||
                            (doubted && has_time));
        if (!again)
          return answer_to(why, doubted);
      }
      pause_before_retry(std::min(attempts, kMostAttempts), domain::deadline_of(job));
    }
  });
}

Answer PgStore::answer_to(const NotKept& why, bool doubted) {
  if (why.ended() == Ended::refused)
    log_.event(
        domain::LogLevel::error, "database.statement_failed",
        {{"sqlstate", std::string_view{why.sqlstate()}}, {"error", std::string_view{why.what()}}});
  return Refusal{.reason = doubted ? Refused::timeout : refusal_for(why)};
}

std::optional<int> PgStore::begin(const domain::Job& job) noexcept {
  try {
    if (!session_.is_ready())
      return std::nullopt;
    if (const auto* migration = std::get_if<domain::MigrationPtr>(&job)) {
      if ((*migration)->device_ids && (*migration)->device_ids->size() > kMostSentAtOnce)
        return std::nullopt;
      under_way_ = begin_migration(tools(), *migration);
      begun_ = *migration;
    } else if (const auto* recall = std::get_if<domain::RecallMigration>(&job)) {
      if (recall->users.size() > kMostSentAtOnce)
        return std::nullopt;
      under_way_ = begin_recall(session_, *recall);
    } else {
      return std::nullopt;
    }
    return session_.connection().socket();
  } catch (const std::exception&) { // no memory: it comes before anything is sent
    session_.drop();
    return std::nullopt;
  }
}

domain::Store::Progressed PgStore::proceed() noexcept {
  std::optional<Answer> answer;
  try {
    if (!under_way_->has_arrived())
      return {Came::not_all, {}};
    answer = under_way_->answer();
  } catch (const std::exception&) {
    // finish() meets it again, and has the answer to it
  }
  if (!answer)
    return {Came::needs_time, {}};
  under_way_.reset();
  begun_.reset();
  return {Came::answer, *std::move(answer)};
}

Answer PgStore::finish() noexcept {
  return answered(std::exchange(begun_, std::nullopt), [this] {
    const auto ending = std::move(under_way_);
    return ending->finish();
  });
}

Answer PgStore::run(const domain::Job& job, bool again) {
  return std::visit(
      [this, again]<class T>(const T& each) -> Answer {
        if constexpr (std::is_same_v<T, domain::MigrationPtr>)
          return migrate(tools(), each);
        else if constexpr (std::is_same_v<T, domain::Settle>)
          return settle(operation_tools(), each);
        else if constexpr (std::is_same_v<T, domain::PlanMigration>)
          return plan(session_, facts_, *each.migration);
        else if constexpr (std::is_same_v<T, domain::UndoPtr>)
          return undo(operation_tools(), each);
        else if constexpr (std::is_same_v<T, domain::FindOrigin>)
          return find_origin(session_, each);
        else if constexpr (std::is_same_v<T, domain::RecallMigration>)
          return recall_migration(session_, each);
        else if constexpr (std::is_same_v<T, domain::RegisterDevice>)
          return register_device(session_, each);
        else if constexpr (std::is_same_v<T, domain::FindRegistrationGroup>)
          return find_registration_group(session_, each);
        else if constexpr (std::is_same_v<T, domain::ListGroupDevices>)
          return list_group_devices(session_, each);
        else if constexpr (std::is_same_v<T, domain::ChangePtr>)
          return change_group_devices(operation_tools(), each);
        else if constexpr (std::is_same_v<T, domain::ListGroupMembers>)
          return list_group_members(session_, each);
        else if constexpr (std::is_same_v<T, domain::ListGroups>)
          return list_groups(session_, each);
        else if constexpr (std::is_same_v<T, domain::ListGroupsOfDevice>)
          return list_groups_of_device(session_, each);
        else if constexpr (std::is_same_v<T, domain::ListDevices>)
          return list_devices(session_, each);
        else if constexpr (std::is_same_v<T, domain::FindMigration>)
          return find_migration(session_, each);
        else if constexpr (std::is_same_v<T, domain::FindOperation>)
          return find_operation(session_, each);
        else if constexpr (std::is_same_v<T, domain::NoteRunning>)
          return note_running(session_, each);
        else if constexpr (std::is_same_v<T, domain::PublishRunning>)
          return publish_running(session_, each);
        else if constexpr (std::is_same_v<T, domain::EndRunning>)
          return end_running(session_, each);
        else if constexpr (std::is_same_v<T, domain::CheckApiKey>)
          return check_api_key(session_, each);
        else if constexpr (std::is_same_v<T, domain::AdminJob>)
          return administer(session_, each, again);
        else if constexpr (std::is_same_v<T, domain::EventJob>)
          return work_on_events(session_, each);
        else
          return check_health(session_);
      },
      job);
}

/// What `call` returns, or the answer to a defect that it throws. What became of an operation is
/// not known then.
template <class Call>
Answer PgStore::answered(const std::optional<domain::Operation>& operation, Call call) noexcept {
  try {
    return call();
  } catch (const std::exception& why) {
    log_.event(domain::LogLevel::error, "database.defect",
               {{"error", std::string_view{why.what()}}});
    session_.drop(); // whatever it was, do not go on with a connection in an unknown state
    return operation ? domain::no_outcome(domain::Settle{*operation, {}})
                     : Refusal{.reason = Refused::internal};
  }
}

} // namespace regroup::db
