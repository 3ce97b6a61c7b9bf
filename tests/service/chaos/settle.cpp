#include "tests/service/chaos/settle.hpp"

#include "tests/support/eventually.hpp"

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <set>
#include <stdexcept>
#include <thread>

namespace regroup::chaos {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kHands = 12;
constexpr auto kPatience = 30s;
constexpr auto kFinally = 10s; // what was refused under the fault comes about within that time

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

/// The authenticated group of each registration group that is migrated now.
std::map<std::string, std::string> migrated(test::Sql& sql) {
  std::map<std::string, std::string> groups;
  for (const auto& row : sql.exec("SELECT registration_group_id, authenticated_group_id "
                                  "FROM migration_audit_logs WHERE status = 'success'"))
    groups[row[0].c_str()] = row[1].c_str();
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

struct Work {
  Stage& stage;
  Record& record;

  const Target& target(std::size_t number) const {
    return stage.targets()[number % stage.targets().size()];
  }
};

/// What was asked for of these groups.
std::set<std::string> asked_for(const Record& record, Request::Kind kind) {
  std::set<std::string> asked;
  for (const auto& request : record.requests())
    if (request.kind == kind)
      asked.insert(request.group);
  return asked;
}

/// What was asked for, and did not come about while there was a fault, must be possible now. What
/// does not come about now either, the judge finds.
void migrate_the_rest(const Work& work, const std::vector<Group>& groups) {
  const auto asked = asked_for(work.record, Request::Kind::migrate);
  const auto to_undo = asked_for(work.record, Request::Kind::undo);
  auto sql = work.stage.sql();
  const auto done = migrated(sql);
  std::vector<const Group*> rest;
  for (const auto& group : groups)
    if (asked.contains(group.id) && !to_undo.contains(group.id) && !done.contains(group.id))
      rest.push_back(&group);
  for_all(rest.size(), [&](std::size_t number) {
    test::eventually(
        [&] {
          const auto answer = ask_to_migrate(work.record, work.target(number), *rest[number],
                                             rest[number]->users.front());
          return answer.status == 201 || answer.status == 202 ||
                 answer.code == "resource/already-migrated";
        },
        kFinally);
  });
}

void undo_the_rest(const Work& work, const std::vector<Group>& groups) {
  const auto asked = asked_for(work.record, Request::Kind::undo);
  auto sql = work.stage.sql();
  const auto done = migrated(sql);
  std::vector<const Group*> rest;
  for (const auto& group : groups)
    if (asked.contains(group.id) && done.contains(group.id))
      rest.push_back(&group);
  for_all(rest.size(), [&](std::size_t number) {
    const auto& group = *rest[number];
    test::eventually(
        [&] {
          const auto answer =
              ask_to_undo(work.record, work.target(number), group, done.at(group.id));
          return answer.status == 200 || answer.code == "migration/already-rolled-back";
        },
        kFinally);
  });
}

/// Each group whose devices were asked to come and go loses its last one now. The first of these
/// asks has a key, so that it can be tried again.
void change_all(const Work& work, const std::vector<Group>& groups) {
  const auto asked = asked_for(work.record, Request::Kind::change);
  auto sql = work.stage.sql();
  const auto done = migrated(sql);
  std::vector<const Group*> all;
  for (const auto& group : groups)
    if (asked.contains(group.id) && done.contains(group.id))
      all.push_back(&group);
  std::atomic<int> refused{0};
  for_all(all.size(), [&](std::size_t number) {
    const auto& group = *all[number];
    const bool changed = test::eventually(
        [&] {
          return ask_to_change(work.record, work.target(number), group, done.at(group.id), "remove",
                               {group.devices.back().text()}, group.id + "-last")
                     .status == 200;
        },
        kFinally);
    refused += changed ? 0 : 1;
  });
  if (refused > 0)
    throw std::runtime_error{std::to_string(refused) +
                             " groups' devices cannot be changed any more after the fault"};
}

std::vector<Given> given_ids(const Record& record) {
  std::set<Given> open;
  for (const auto& request : record.requests())
    if (writes(request.kind) && !own_id(request).empty() &&
        (request.answer.status == 202 || request.answer.status == 504))
      open.insert({request.kind, request.group, request.user, own_id(request)});
  return {open.begin(), open.end()};
}

/// Every replica must come to a final word, and say it of every id that a caller was given. Until
/// then it may say `in_progress`, or 404 where another one runs it.
void ask_what_became(const Work& work, const Given& given) {
  using Kind = Request::Kind;
  test::eventually(
      [&] {
        for (const auto& replica : work.stage.replicas()) {
          const auto answer = ask_status(work.record, replica, Kind::status, given);
          if (answer.status != 200 || answer.state == "in_progress")
            return false;
        }
        return true;
      },
      kPatience);
  for (const auto& replica : work.stage.replicas())
    test::eventually(
        [&] { return ask_status(work.record, replica, Kind::last_status, given).says_something(); },
        kFinally);
}

} // namespace

void settle(Stage& stage, Record& record, const std::vector<Group>& groups) {
  for (std::size_t index = 0; index < stage.replica_count(); ++index)
    stage.wait_until_ready(index);
  auto sql = stage.sql();
  wait_until_quiet(sql);
  const Work work{stage, record};
  migrate_the_rest(work, groups);
  undo_the_rest(work, groups);
  change_all(work, groups);
  wait_until_quiet(sql);
  const auto given = given_ids(record);
  for_all(given.size(), [&](std::size_t number) { ask_what_became(work, given[number]); });
}

} // namespace regroup::chaos
