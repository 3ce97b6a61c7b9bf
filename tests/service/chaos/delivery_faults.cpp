// Transactions that are sent whole, and read when their senders have given them up: a backend that
// is stopped has them in its socket, and holds no lock yet.
#include "tests/service/chaos/fault.hpp"

#include <string>

namespace regroup::chaos {
namespace {

using Cutter = test::CommitCutter;

/// Of a kind; `own`: of a caller who has the group for himself, so that nobody else is in the way.
std::vector<std::string> words_of(Request::Kind kind, bool own) {
  if (kind == Request::Kind::migrate && own)
    return {statement_of(kind), kOwnGroups};
  return {statement_of(kind)};
}

class DeliveredUnread final : public Fault {
public:
  std::string name() const override { return "delivered-unread"; }
  Stage::Options stage() const override {
    Stage::Options options;
    options.cutter = true;
    options.settings = {{"http.request_timeout", "4s"}};
    return options;
  }
  void strike(Field& field) const override {
    auto& cutter = field.stage.cutter();
    for (int cut = 0; cut < kCuts; ++cut)
      for (const auto kind : kWriting)
        field.cut(cutter, Cutter::Cut::unread, words_of(kind, cut % 2 == 0));
    // Half of the rounds let them be read while the doubt is settled, the others afterwards.
    if (field.round % 2 == 0)
      field.wait_until_answered();
    field.healing();
    cutter.release();
  }

private:
  static constexpr int kCuts = 4; // of each kind
};

/// The same, and the connection that is to settle what became of it is cut as well: once, on its
/// way there or on its way back, or each one until its caller has given up.
class FenceRefused final : public Fault {
public:
  std::string name() const override { return "fence-refused"; }
  Stage::Options stage() const override {
    Stage::Options options;
    options.cutter = true;
    options.settings = {{"http.request_timeout", "3s"}};
    return options;
  }
  void strike(Field& field) const override {
    auto& cutter = field.stage.cutter();
    const Cutter::Refusal refusals[]{{0, 1, false},       {0, 1, true},      {1, 1, false},
                                     {1, 1, true},        {2, 1, false},     {2, 1, true},
                                     {0, kAlways, false}, {0, kAlways, true}};
    const int before = cutter.refusals();
    int number = field.round;
    for (const auto kind : kWriting)
      for (int cut = 0; cut < kCuts; ++cut)
        field.cut(cutter, Cutter::Cut::unread, words_of(kind, cut % 2 == 0),
                  cut == 0 ? refusals[6 + number++ % 2] : refusals[number++ % 6]);
    field.wait_until_answered();
    if (cutter.refusals() < before + kCuts)
      throw std::runtime_error{"those who were to settle were not refused"};
    field.healing();
    // What is given up is settled before it is read, or read before it is settled.
    if (field.round % 2 == 0)
      cutter.release();
    cutter.forgive();
    field.wait_for_successes(20);
    cutter.release();
  }

private:
  static constexpr int kCuts = 3; // of each kind
  static constexpr int kAlways = 1000000;
};

} // namespace

void add_delivery_faults(Faults& faults) {
  faults.push_back(std::make_unique<DeliveredUnread>());
  faults.push_back(std::make_unique<FenceRefused>());
}

} // namespace regroup::chaos
