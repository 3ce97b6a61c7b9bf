#include "tests/service/chaos/load.hpp"

#include "tests/service/chaos/journey.hpp"

#include <chrono>

namespace regroup::chaos {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kContending = 12;
constexpr std::size_t kUndoing = 6;
constexpr std::size_t kChanging = 6;
constexpr int kMostAttempts = 4;
/// After a refusal: they come at once, and would use up the groups.
constexpr auto kPause = 40ms;

} // namespace

Load::Load(Record& record, std::vector<Target> targets, Groups groups)
    : record_{record}, targets_{std::move(targets)}, groups_{std::move(groups)} {
  for (auto [from, turns] :
       {std::pair{&groups_.contested, &contested_}, std::pair{&groups_.undone, &undone_},
        std::pair{&groups_.changed, &changed_}})
    for (const auto& group : *from)
      for (const auto& user : group.users)
        turns->all.push_back({&group, user, turns->all.size()});
  start(kContending, contested_, &Load::contend);
  start(kUndoing, undone_, &Load::undo);
  start(kChanging, changed_, &Load::change);
}

Load::~Load() { finish(); }

void Load::finish() {
  stopping_ = true;
  for (auto& thread : threads_)
    thread.join();
  threads_.clear();
}

void Load::start(std::size_t clients, Turns& turns, void (Load::*take)(const Turn&)) {
  for (std::size_t client = 0; client < clients; ++client)
    threads_.emplace_back([this, &turns, take] {
      while (!stopping_) {
        const auto mine = turns.next.fetch_add(1);
        if (mine >= turns.all.size())
          return;
        (this->*take)(turns.all[mine]);
      }
    });
}

void Load::contend(const Turn& turn) {
  const auto key = turn.number % 2 == 0 ? "tap-" + std::to_string(turn.number) : std::string{};
  for (std::size_t attempt = 0; attempt < kMostAttempts; ++attempt) {
    const auto& target = targets_[(turn.number + attempt) % targets_.size()];
    auto answer = ask_to_migrate(record_, target, *turn.group, turn.user, key);
    if (!answer.migration_id.empty() && (answer.status == 202 || answer.status == 504))
      answer = ask_status(
          record_, target, Request::Kind::status,
          {Request::Kind::migrate, turn.group->id, turn.user.text(), answer.migration_id});
    if (answer.status == 201 || answer.state == "completed" ||
        answer.code == "resource/already-migrated")
      return;
    std::this_thread::sleep_for(kPause);
    if (key.empty() || stopping_)
      return;
  }
}

void Load::undo(const Turn& turn) {
  Journey{record_, targets_, *turn.group, turn.number, stopping_}.migrate_and_undo();
}

void Load::change(const Turn& turn) {
  Journey{record_, targets_, *turn.group, turn.number, stopping_}.migrate_and_change();
}

} // namespace regroup::chaos
