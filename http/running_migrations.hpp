#pragma once
#include "domain/command.hpp"

#include <cstddef>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

namespace regroup::http {

/// The migrations that this replica runs, by id: their status is asked for while no row of theirs
/// is committed. Thread-safe.
class RunningMigrations {
public:
  void add(const domain::MigrationPtr& migration) {
    const std::scoped_lock lock{mutex_};
    running_.emplace(migration->migration_id, Entry{migration});
  }

  void remove(const domain::Uuid& id) {
    const std::scoped_lock lock{mutex_};
    const auto found = running_.find(id);
    if (found != running_.end())
      erase(found);
  }

  /// False, and still there, where it was answered 202.
  bool remove_if_quick(const domain::Uuid& id) {
    const std::scoped_lock lock{mutex_};
    const auto found = running_.find(id);
    if (found == running_.end())
      return true;
    if (found->second.answered_202)
      return false;
    erase(found);
    return true;
  }

  /// It is answered 202; and the database knows of it.
  void answered_202(const domain::Uuid& id) {
    const std::scoped_lock lock{mutex_};
    const auto found = running_.find(id);
    if (found != running_.end() && !std::exchange(found->second.answered_202, true))
      ++answered_202_;
  }
  void noted(const domain::Uuid& id) {
    const std::scoped_lock lock{mutex_};
    const auto found = running_.find(id);
    if (found != running_.end())
      found->second.noted = true;
  }

  bool any_answered_202() const {
    const std::scoped_lock lock{mutex_};
    return answered_202_ > 0;
  }

  struct Answered202 {
    std::vector<domain::MigrationPtr> noted;
    std::vector<domain::MigrationPtr> not_noted;
  };
  Answered202 answered_202() const {
    Answered202 all;
    const std::scoped_lock lock{mutex_};
    if (answered_202_ == 0)
      return all;
    for (const auto& [id, entry] : running_)
      if (entry.answered_202)
        (entry.noted ? all.noted : all.not_noted).push_back(entry.migration);
    return all;
  }

  domain::MigrationPtr find(const domain::Uuid& id) const {
    const std::scoped_lock lock{mutex_};
    const auto found = running_.find(id);
    return found == running_.end() ? nullptr : found->second.migration;
  }

  std::vector<domain::MigrationPtr> all() const {
    const std::scoped_lock lock{mutex_};
    std::vector<domain::MigrationPtr> migrations;
    migrations.reserve(running_.size());
    for (const auto& [id, entry] : running_)
      migrations.push_back(entry.migration);
    return migrations;
  }

  std::size_t count() const {
    const std::scoped_lock lock{mutex_};
    return running_.size();
  }

private:
  struct Entry {
    domain::MigrationPtr migration;
    bool answered_202 = false;
    bool noted = false;
  };
  using Running = std::unordered_map<domain::Uuid, Entry, domain::UuidHash>;

  void erase(Running::iterator found) {
    answered_202_ -= found->second.answered_202 ? 1U : 0U;
    running_.erase(found);
  }

  mutable std::mutex mutex_;
  Running running_;
  std::size_t answered_202_ = 0;
};

} // namespace regroup::http
