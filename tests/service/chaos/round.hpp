#pragma once
#include "tests/service/chaos/checker.hpp"
#include "tests/service/chaos/fault.hpp"

#include <memory>
#include <string>

namespace regroup::chaos {

/// What a fault's rounds came to.
struct Tally {
  int rounds = 0;
  int requests = 0;
  int successes = 0; // 200 and 201, of what writes
  int in_flight = 0; // of what writes, under way when the fault struck
  Counts settled;    // answers that a replica was in doubt about, and settled or gave up
  Counts open;       // answers that left their callers in doubt
  int lost = 0;
  int duplicated = 0;
  int partial = 0;
  int untrue = 0;
  int idle_rounds = 0;           // in which the fault hit nothing
  double seconds_to_recover = 0; // the longest: from the cure to a 201 from everywhere

  /// What the fault did not show in these rounds; empty when nothing is missing.
  std::string missing() const;
  bool clean() const { return lost + duplicated + partial + untrue == 0; }
};

/// The rounds of one fault, on one stage for as long as it is good.
class Rounds {
public:
  explicit Rounds(const Fault& fault) : fault_{fault} {}

  /// Throws std::runtime_error where the fault could not be brought about, or the service did not
  /// come back. Findings go to stderr, with a file that has the whole story.
  void run_one();

  /// Ends the last stage. Throws std::runtime_error where the replicas do not end in order.
  void finish();

  const Tally& tally() const { return tally_; }

private:
  struct Deployment {
    explicit Deployment(const Stage::Options& options) : stage{options} {}
    Stage stage;
    Record record;
    History history;          // without the requests, which the record has
    std::size_t requests = 0; // in the record, and the other two, after the last round
    Counts settled;
    Counts open;
  };

  std::vector<Group> new_groups(const std::string& kind, std::size_t count, std::size_t smallest,
                                std::size_t largest, Owners owners);
  void count(const Field& field, const History& history, const Rows& rows);
  void recover(const Field& field, const std::vector<Group>& probes);
  void judge(const Field& field);
  void look_for_reports() const;
  void tell(const Verdict& verdict, const History& history) const;

  const Fault& fault_;
  Tally tally_;
  std::unique_ptr<Deployment> deployment_;
};

} // namespace regroup::chaos
