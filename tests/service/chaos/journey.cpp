#include "tests/service/chaos/journey.hpp"

#include <chrono>
#include <thread>

namespace regroup::chaos {
namespace {

using namespace std::chrono_literals;
using Kind = Request::Kind;

constexpr int kTurns = 2; // migrated and undone
constexpr std::size_t kMostAttempts = 4;
/// After a refusal: they come at once, and would use up the groups.
constexpr auto kPause = 40ms;

} // namespace

void Journey::migrate_and_undo() {
  for (int turn = 0; turn < kTurns && !stopping_; ++turn) {
    const auto which = std::to_string(turn);
    const auto made = migrate(key("migrate-" + which));
    if (!made || stopping_ || !undo(*made, key("undo-" + which)))
      return;
  }
}

/// The last device stays, for the end of the round (settle.cpp). Those before it leave and come
/// back: together in every second group, else one by one.
void Journey::migrate_and_change() {
  const auto made = migrate(key("migrate"));
  if (!made)
    return;
  std::vector<std::vector<std::string>> sets(number_ % 2 == 0 ? 1 : group_.devices.size() - 1);
  for (std::size_t index = 0; index + 1 < group_.devices.size(); ++index)
    sets[index % sets.size()].push_back(group_.devices[index].text());
  for (const auto& devices : sets)
    if (!stopping_ && change(*made, "remove", devices) && !stopping_)
      change(*made, "add", devices);
}

bool Journey::try_until(const std::string& key, const std::function<bool(const Target&)>& ask) {
  const std::size_t attempts = key.empty() ? 1 : kMostAttempts;
  for (std::size_t attempt = 0; attempt < attempts; ++attempt) {
    if (ask(targets_[(number_ + asked_++) % targets_.size()]))
      return true;
    if (stopping_)
      return false;
    std::this_thread::sleep_for(kPause);
  }
  return false;
}

std::optional<std::string> Journey::migrate(const std::string& key) {
  std::optional<std::string> made;
  try_until(key, [&](const Target& target) {
    auto answer = ask_to_migrate(record_, target, group_, group_.users.front(), key);
    if (answer.status == 202 || answer.status == 504)
      answer = status_of(target, Kind::migrate, answer.migration_id);
    if (answer.status == 201 || answer.state == "completed" ||
        answer.code == "resource/already-migrated")
      made = answer.authenticated_group_id;
    return made.has_value();
  });
  return made;
}

bool Journey::undo(const std::string& authenticated_group, const std::string& key) {
  return try_until(key, [&](const Target& target) {
    auto answer = ask_to_undo(record_, target, group_, authenticated_group, key);
    if (answer.status == 504)
      answer = status_of(target, Kind::undo, answer.operation_id);
    return answer.status == 200 ? answer.state != "failed" && answer.state != "in_progress"
                                : answer.code == "migration/already-rolled-back";
  });
}

bool Journey::change(const std::string& authenticated_group, const std::string& action,
                     const std::vector<std::string>& devices) {
  const auto by = key(action + "-" + devices.front());
  return try_until(by, [&](const Target& target) {
    auto answer = ask_to_change(record_, target, group_, authenticated_group, action, devices, by);
    if (answer.status == 504)
      answer = status_of(target, Kind::change, answer.operation_id);
    return answer.status == 201 ||
           (answer.status == 200 && answer.state != "failed" && answer.state != "in_progress");
  });
}

Answer Journey::status_of(const Target& target, Kind about, const std::string& id) {
  if (id.empty())
    return {};
  return ask_status(record_, target, Kind::status,
                    {about, group_.id, group_.users.front().text(), id});
}

std::string Journey::key(const std::string& of) const {
  return number_ % 3 == 0 ? group_.id + "-" + of : std::string{};
}

} // namespace regroup::chaos
