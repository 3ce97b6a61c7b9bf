#pragma once
#include "tests/service/chaos/caller.hpp"
#include "tests/service/chaos/load.hpp"
#include "tests/service/chaos/stage.hpp"

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace regroup::chaos {

/// What a fault has to work with in one round: load runs all the while.
class Field {
public:
  Field(Stage& field_stage, Record& field_record, int round_number, std::vector<Group> spare_groups)
      : stage{field_stage}, record{field_record}, round{round_number}, spare_{std::move(
                                                                           spare_groups)} {}

  Stage& stage;
  Record& record;
  const int round; // from 0

  /// A group with two users that nobody asks for, but the fault itself.
  const Group& take_group() { return spare_.at(taken_++); }

  /// Marks this moment: who is being served now is hit. `replica`: only who asked that one.
  void struck(const std::string& replica = {}) { strikes.push_back({now(), replica}); }

  /// Marks the beginning of the cure: from here the recovery is timed.
  void healing() { healed_at = std::chrono::steady_clock::now(); }

  /// Waits for that many more requests, answered from now on, that the condition holds for. Throws
  /// when they do not come: then the load is not what the fault was made for.
  void wait_for(std::size_t count, const char* what,
                const std::function<bool(const Request&)>& condition);
  /// ... that succeeded.
  void wait_for_successes(std::size_t count);
  /// ... that were answered in any way, or got no answer.
  void wait_for_answers(std::size_t count);
  /// Waits until all that has been asked so far was answered.
  void wait_until_answered();

  /// Waits for a moment when at least that many COMMITs are under way. `application`: of that
  /// replica ("regroup1") alone.
  void wait_for_commits(int count, const std::string& application = "regroup%");

  /// Cuts the next COMMIT of such a transaction (commit_cutter.hpp), and counts the hit.
  void cut(test::CommitCutter& cutter, test::CommitCutter::Cut how, std::vector<std::string> words,
           test::CommitCutter::Refusal refusal = {});

  struct Strike {
    Seconds at;
    std::string replica;
  };
  std::vector<Strike> strikes;
  int counted = 0; // hits that the fault counts itself
  std::vector<Unpromised> unpromised;
  std::chrono::steady_clock::time_point healed_at;

private:
  std::vector<Group> spare_;
  std::size_t taken_ = 0;
};

class Fault {
public:
  virtual ~Fault() = default;
  virtual std::string name() const = 0;
  virtual Stage::Options stage() const = 0;
  /// Whether a stage is of no more use after one round.
  virtual bool spends_stage() const { return false; }
  /// Breaks something while requests are under way, and mends it. Throws where the fault could not
  /// be brought about.
  virtual void strike(Field& field) const = 0;
};

/// How often the words stand in a text: in the replicas' logs.
int count_of(const std::string& text, const std::string& words);

/// The answers that replicas were in doubt about, and settled or did not: by their logs.
Counts settlements(const std::string& logs);

/// Words that stand in a transaction of that kind (commit_cutter.hpp).
std::string statement_of(Request::Kind kind);
inline constexpr Request::Kind kWriting[]{Request::Kind::migrate, Request::Kind::undo,
                                          Request::Kind::change};

using Faults = std::vector<std::unique_ptr<Fault>>;

void add_process_faults(Faults& faults); // kill -9 and SIGSTOP
void add_session_faults(Faults& faults); // connections and transactions
void add_standby_faults(Faults& faults); // failover
void add_network_faults(Faults& faults);
void add_delivery_faults(Faults& faults); // what was sent is read late
void add_pooler_faults(Faults& faults);
void add_disk_faults(Faults& faults);
Faults all_faults();

} // namespace regroup::chaos
