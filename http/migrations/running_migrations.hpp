#pragma once
#include "domain/command.hpp"

#include <cstddef>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace regroup::http {

/// The migrations that this replica runs, by id, so that it can report their status before any of
/// their rows is committed. Thread-safe.
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

  /// Removes a migration that was not answered 202. Returns false, and keeps it, if it was.
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

  /// The migrations that were received by `time`.
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
