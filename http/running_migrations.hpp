#pragma once
#include "domain/command.hpp"

#include <cstddef>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace regroup::http {

/// The migrations that this replica runs, by id: their status is asked for while no row of theirs
/// is committed. Thread-safe.
class RunningMigrations {
public:
  using Running = domain::PublishRunning::Running;

  void add(const domain::MigrationPtr& migration) {
    const std::scoped_lock lock{mutex_};
    running_.emplace(migration->migration_id, Running{migration});
  }

  void remove(const domain::Uuid& id) {
    const std::scoped_lock lock{mutex_};
    running_.erase(id);
  }

  /// False, and still there, where it was answered 202.
  bool remove_if_quick(const domain::Uuid& id) {
    const std::scoped_lock lock{mutex_};
    const auto found = running_.find(id);
    if (found == running_.end())
      return true;
    if (found->second.answered_202)
      return false;
    running_.erase(found);
    return true;
  }

  void answered_202(const domain::Uuid& id) {
    const std::scoped_lock lock{mutex_};
    const auto found = running_.find(id);
    if (found != running_.end())
      found->second.answered_202 = true;
  }

  domain::MigrationPtr find(const domain::Uuid& id) const {
    const std::scoped_lock lock{mutex_};
    const auto found = running_.find(id);
    return found == running_.end() ? nullptr : found->second.migration;
  }

  /// Those that were received before.
  std::vector<Running> received_before(std::chrono::steady_clock::time_point time) const {
    const std::scoped_lock lock{mutex_};
    std::vector<Running> found;
    for (const auto& [id, each] : running_)
      if (each.migration->received <= time)
        found.push_back(each);
    return found;
  }

  std::size_t count() const {
    const std::scoped_lock lock{mutex_};
    return running_.size();
  }

private:
  mutable std::mutex mutex_;
  std::unordered_map<domain::Uuid, Running, domain::UuidHash> running_;
};

} // namespace regroup::http
