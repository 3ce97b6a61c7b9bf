#pragma once
#include "tests/service/chaos/caller.hpp"

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace regroup::chaos {

/// What one user does with a group of his own, one thing after the other, through any replica.
class Journey {
public:
  /// With a number that 3 divides each ask has an Idempotency-Key, and is tried again by it.
  /// Otherwise once alone: a second ask would make what a late first one does look like its own.
  Journey(Record& record, const std::vector<Target>& targets, const Group& group,
          std::size_t number, const std::atomic<bool>& stopping)
      : record_(record), targets_(targets), group_(group), number_(number), stopping_(stopping) {}

  void migrate_and_undo();
  void migrate_and_change();

private:
  /// Runs `ask` until it says that it was done, or there is no time.
  bool try_until(const std::string& key, const std::function<bool(const Target&)>& ask);
  /// The authenticated group, once it is known that there is one.
  std::optional<std::string> migrate(const std::string& key);
  bool undo(const std::string& authenticated_group, const std::string& key);
  bool change(const std::string& authenticated_group, const std::string& action,
              const std::vector<std::string>& devices);
  /// What became of an ask that got an id and no outcome.
  Answer status_of(const Target& target, Request::Kind about, const std::string& id);
  std::string key(const std::string& of) const;

  Record& record_;
  const std::vector<Target>& targets_;
  const Group& group_;
  std::size_t number_;
  const std::atomic<bool>& stopping_;
  std::size_t asked_ = 0;
};

} // namespace regroup::chaos
