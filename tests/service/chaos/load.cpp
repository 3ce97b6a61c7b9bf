#include "tests/service/chaos/load.hpp"

#include <chrono>

namespace regroup::chaos {
namespace {

using namespace std::chrono_literals;

constexpr int kClients = 24;
constexpr int kMostAttempts = 4;
/// After a refusal: they come at once, and would use up the groups.
constexpr auto kPause = 40ms;

} // namespace

Load::Load(Record& record, std::vector<Target> targets, std::vector<Group> groups)
    : record_{record}, targets_{std::move(targets)}, groups_{std::move(groups)} {
  for (const auto& group : groups_)
    for (const auto& user : group.users)
      turns_.push_back({&group, user, turns_.size()});
  for (int client = 0; client < kClients; ++client)
    threads_.emplace_back([this] { work(); });
}

Load::~Load() { finish(); }

void Load::finish() {
  stopping_ = true;
  for (auto& thread : threads_)
    thread.join();
  threads_.clear();
}

void Load::work() {
  while (!stopping_) {
    const auto mine = next_.fetch_add(1);
    if (mine >= turns_.size())
      return;
    take(turns_[mine]);
  }
}

void Load::take(const Turn& turn) {
  const auto key = turn.number % 2 == 0 ? "tap-" + std::to_string(turn.number) : std::string{};
  for (std::size_t attempt = 0; attempt < kMostAttempts; ++attempt) {
    const auto& target = targets_[(turn.number + attempt) % targets_.size()];
    if (!try_once(turn, target, key))
      return;
    std::this_thread::sleep_for(kPause);
    if (key.empty() || stopping_)
      return;
  }
}

bool Load::try_once(const Turn& turn, const Target& target, const std::string& key) {
  const auto answer = ask_to_migrate(record_, target, *turn.group, turn.user, key);
  if (!answer.migration_id.empty() && (answer.status == 202 || answer.status == 504)) {
    const auto status = ask_status(record_, target, Request::Kind::status, turn.group->id,
                                   turn.user.text(), answer.migration_id);
    return status.state != "completed";
  }
  return answer.status != 201 && answer.code != "resource/already-migrated";
}

} // namespace regroup::chaos
