#pragma once
#include "tests/service/chaos/caller.hpp"

#include <atomic>
#include <cstddef>
#include <thread>
#include <vector>

namespace regroup::chaos {

/// Clients that ask through whatever replicas there are, until told to stop or until there is no
/// group left. Some ask for migrations, each group by all of its users at about the same time; some
/// migrate a group and undo that, twice over; some migrate a group, take its devices out and put
/// them in again. Some of each send an Idempotency-Key, and try again when there was no outcome;
/// who gets an id without an outcome asks what became of it.
class Load {
public:
  struct Groups {
    std::vector<Group> contested, undone, changed;
  };

  Load(Record& record, std::vector<Target> targets, Groups groups);
  /// finish()
  ~Load();
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  /// What is under way is answered first.
  void finish();

  bool spent() const { return contested_.spent() || undone_.spent() || changed_.spent(); }

private:
  struct Turn {
    const Group* group;
    domain::Uuid user;
    std::size_t number;
  };
  struct Turns {
    std::vector<Turn> all;
    std::atomic<std::size_t> next{0};
    bool spent() const { return next >= all.size(); }
  };

  void start(std::size_t clients, Turns& turns, void (Load::*take)(const Turn&));
  void contend(const Turn& turn);
  void undo(const Turn& turn);
  void change(const Turn& turn);

  Record& record_;
  const std::vector<Target> targets_;
  const Groups groups_;
  Turns contested_, undone_, changed_;
  std::atomic<bool> stopping_{false};
  std::vector<std::thread> threads_;
};

} // namespace regroup::chaos
