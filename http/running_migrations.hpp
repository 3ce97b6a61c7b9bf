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
  void add(const domain::MigrationPtr& migration) {
    const std::scoped_lock lock{mutex_};
    running_.emplace(migration->migration_id, migration);
  }

  void remove(const domain::Uuid& id) {
    const std::scoped_lock lock{mutex_};
    running_.erase(id);
  }

  domain::MigrationPtr find(const domain::Uuid& id) const {
    const std::scoped_lock lock{mutex_};
    const auto found = running_.find(id);
    return found == running_.end() ? nullptr : found->second;
  }

  std::vector<domain::MigrationPtr> all() const {
    const std::scoped_lock lock{mutex_};
    std::vector<domain::MigrationPtr> migrations;
    migrations.reserve(running_.size());
    for (const auto& [id, migration] : running_)
      migrations.push_back(migration);
    return migrations;
  }

  std::size_t count() const {
    const std::scoped_lock lock{mutex_};
    return running_.size();
  }

private:
  mutable std::mutex mutex_;
  std::unordered_map<domain::Uuid, domain::MigrationPtr, domain::UuidHash> running_;
};

} // namespace regroup::http
