#include "tests/service/chaos/settle.hpp"

#include "tests/support/eventually.hpp"

#include <atomic>
#include <chrono>
#include <functional>
#include <set>
#include <stdexcept>
#include <thread>
#include <tuple>

namespace regroup::chaos {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kHands = 12;
constexpr auto kPatience = 30s;

void for_all(std::size_t count, const std::function<void(std::size_t)>& work) {
  std::atomic<std::size_t> next{0};
  std::vector<std::thread> hands;
  for (std::size_t hand = 0; hand < std::min(kHands, count); ++hand)
    hands.emplace_back([&] {
      for (auto mine = next++; mine < count; mine = next++)
        work(mine);
    });
  for (auto& hand : hands)
    hand.join();
}

std::set<std::string> migrated(test::Sql& sql) {
  std::set<std::string> groups;
  for (const auto& row :
       sql.exec("SELECT registration_group_id FROM migration_audit_logs WHERE status = 'success'"))
    groups.insert(row[0].c_str());
  return groups;
}

void wait_until_quiet(test::Sql& sql) {
  if (!test::eventually(
          [&] {
            return sql.value<int>(
                       "SELECT count(*) FROM pg_stat_activity WHERE datname = "
                       "current_database() AND pid <> pg_backend_pid() "
                       "AND xact_start IS NOT NULL AND application_name LIKE 'regroup%'") == 0;
          },
          kPatience))
    throw std::runtime_error{"transactions stay open long after the fault"};
}

/// What was asked for, and did not come about while there was a fault, must be possible now. What
/// does not come about now either, the judge finds.
void migrate_the_rest(Stage& stage, Record& record, const std::vector<Group>& groups) {
  std::set<std::string> asked;
  for (const auto& request : record.requests())
    asked.insert(request.group);
  auto sql = stage.sql();
  const auto done = migrated(sql);
  std::vector<const Group*> rest;
  for (const auto& group : groups)
    if (asked.contains(group.id) && !done.contains(group.id))
      rest.push_back(&group);
  for_all(rest.size(), [&](std::size_t number) {
    const auto& target = stage.targets()[number % stage.targets().size()];
    test::eventually(
        [&] {
          const auto answer =
              ask_to_migrate(record, target, *rest[number], rest[number]->users.front());
          return answer.status == 201 || answer.status == 202 ||
                 answer.code == "resource/already-migrated";
        },
        10s);
  });
}

struct Open {
  std::string user, group, migration_id;
  auto operator<=>(const Open&) const = default;
};

std::vector<Open> left_open(const Record& record) {
  std::set<Open> open;
  for (const auto& request : record.requests())
    if (request.kind == Request::Kind::migrate && !request.answer.migration_id.empty() &&
        (request.answer.status == 202 || request.answer.status == 504))
      open.insert({request.user, request.group, request.answer.migration_id});
  return {open.begin(), open.end()};
}

/// Every replica must come to the truth. While one that runs it says `in_progress` it is not at its
/// end, and the others may say 404.
void ask_what_became(Stage& stage, Record& record, const Open& open) {
  using Kind = Request::Kind;
  test::eventually(
      [&] {
        for (const auto& replica : stage.replicas()) {
          const auto answer =
              ask_status(record, replica, Kind::status, open.group, open.user, open.migration_id);
          if (answer.state == "in_progress" || (answer.status != 200 && answer.status != 404))
            return false;
        }
        return true;
      },
      kPatience);
  for (const auto& replica : stage.replicas())
    ask_status(record, replica, Kind::last_status, open.group, open.user, open.migration_id);
}

} // namespace

void settle(Stage& stage, Record& record, const std::vector<Group>& groups) {
  for (std::size_t index = 0; index < stage.replica_count(); ++index)
    stage.wait_until_ready(index);
  auto sql = stage.sql();
  wait_until_quiet(sql);
  migrate_the_rest(stage, record, groups);
  wait_until_quiet(sql);
  const auto open = left_open(record);
  for_all(open.size(), [&](std::size_t number) { ask_what_became(stage, record, open[number]); });
}

} // namespace regroup::chaos
