#pragma once
#include "tests/service/chaos/caller.hpp"

#include <atomic>
#include <cstddef>
#include <thread>
#include <vector>

namespace regroup::chaos {

/// Clients that ask for one group after the other, each group by all of its users at about the same
/// time through whatever replicas there are, until told to stop or until there is no group left.
/// Every second user sends an Idempotency-Key and tries again when there was no outcome; who gets
/// 202 or 504 looks at the status.
class Load {
public:
  Load(Record& record, std::vector<Target> targets, std::vector<Group> groups);
  /// finish()
  ~Load();
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  /// What is under way is answered first.
  void finish();

  bool spent() const { return next_ >= turns_.size(); }

private:
  struct Turn {
    const Group* group;
    domain::Uuid user;
    std::size_t number;
  };

  void work();
  void take(const Turn& turn);
  /// Whether to ask once more.
  bool try_once(const Turn& turn, const Target& target, const std::string& key);

  Record& record_;
  const std::vector<Target> targets_;
  const std::vector<Group> groups_;
  std::vector<Turn> turns_;
  std::atomic<std::size_t> next_{0};
  std::atomic<bool> stopping_{false};
  std::vector<std::thread> threads_;
};

} // namespace regroup::chaos
