// A PgBouncer in transaction mode between the replicas and PostgreSQL. What it says of a
// transaction is not PostgreSQL's word, and what it has read it may pass on late, or never.
#include "tests/service/chaos/fault.hpp"

namespace regroup::chaos {
namespace {

using Cut = test::CommitCutter::Cut;

Stage::Options behind_pooler() {
  Stage::Options options;
  options.pooler = true;
  options.settings = {{"http.request_timeout", "4s"}, {"database.connect_timeout", "1s"}};
  return options;
}

/// Its link to PostgreSQL is cut when it has passed COMMIT on: it answers with an error of its own.
class PoolerLinkCut final : public Fault {
public:
  std::string name() const override { return "pooler-link-cut"; }
  Stage::Options stage() const override { return behind_pooler(); }
  void strike(Field& field) const override {
    auto& cutter = field.stage.cutter();
    for (int cut = 0; cut < kCuts; ++cut)
      for (const auto kind : kWriting)
        field.cut(cutter, cut % 2 == 0 ? Cut::after_commit : Cut::unread, {statement_of(kind)});
    field.wait_until_answered();
    field.healing();
    cutter.release();
  }

private:
  static constexpr int kCuts = 6; // of each kind
};

/// It is killed with some of what it has passed on unread, and more of it not answered.
class PoolerKilled final : public Fault {
public:
  std::string name() const override { return "pooler-killed"; }
  Stage::Options stage() const override { return behind_pooler(); }
  void strike(Field& field) const override {
    auto& cutter = field.stage.cutter();
    for (const auto kind : kWriting)
      field.cut(cutter, Cut::unread, {statement_of(kind)});
    field.wait_for_commits(3);
    field.struck();
    field.stage.pooler().kill9();
    field.wait_for_answers(20);
    field.stage.pooler().start();
    field.wait_until_answered();
    field.healing();
    cutter.release();
  }
};

/// It freezes with a transaction in its socket, whose sender is cut off, and reads that when it
/// goes on: after all who wait have given up, or while the doubt is settled.
class PoolerFrozen final : public Fault {
public:
  std::string name() const override { return "pooler-frozen"; }
  Stage::Options stage() const override {
    auto options = behind_pooler();
    options.settings["http.request_timeout"] = "1500ms";
    options.settings["migration.async_after"] = "10s"; // no 202 comes before the 504
    return options;
  }
  void strike(Field& field) const override {
    auto& front = field.stage.front();
    front.stops_instead(field.stage.pooler().pid());
    for (const auto kind : kWriting) {
      field.cut(front, Cut::unread, {statement_of(kind)});
      field.struck();
      if (field.round % 2 == 0)
        field.wait_until_answered();
      front.release();
      field.wait_for_successes(5);
    }
    field.healing();
  }
};

} // namespace

void add_pooler_faults(Faults& faults) {
  faults.push_back(std::make_unique<PoolerLinkCut>());
  faults.push_back(std::make_unique<PoolerKilled>());
  faults.push_back(std::make_unique<PoolerFrozen>());
}

} // namespace regroup::chaos
