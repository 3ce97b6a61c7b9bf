// A cable that is pulled: nothing arrives, and nobody is told.
#include "tests/service/chaos/fault.hpp"
#include "tests/support/eventually.hpp"

#include <stdexcept>

namespace regroup::chaos {
namespace {

using namespace std::chrono_literals;

class NetworkCut final : public Fault {
public:
  std::string name() const override { return "network-cut"; }
  Stage::Options stage() const override {
    Stage::Options options;
    options.network = true;
    options.settings = {{"migration.async_after", "500ms"},
                        {"database.idle_in_transaction_timeout", "1s"},
                        {"database.tcp_user_timeout", "2s"},
                        {"database.connect_timeout", "2s"}};
    return options;
  }
  void strike(Field& field) const override {
    const auto cut = static_cast<std::size_t>(field.round) % field.stage.replica_count();
    const auto name = field.stage.targets()[cut].name;
    const auto doubts = [&] { return count_of(field.stage.replica(cut).log(), kCommitInDoubt); };
    const int before = doubts();
    field.wait_for_commits(2, "regroup" + std::to_string(cut + 1));
    field.struck(name);
    field.stage.network().cut(cut);
    // Until the replica has noticed that a COMMIT of its will not be answered.
    if (!test::eventually([&] { return doubts() > before; }))
      throw std::runtime_error{name + " did not notice that its cable is cut"};
    field.wait_for(20, "successes of the other replica", [&](const Request& request) {
      return request.answer.status == 201 && request.replica != name;
    });
    field.healing();
    field.stage.network().mend(cut);
  }
};

} // namespace

void add_network_faults(Faults& faults) { faults.push_back(std::make_unique<NetworkCut>()); }

} // namespace regroup::chaos
