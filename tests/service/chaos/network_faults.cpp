// A cable that is pulled: nothing arrives, and nobody is told.
#include "tests/service/chaos/fault.hpp"

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
                        {"http.request_timeout", "3s"},
                        {"database.idle_in_transaction_timeout", "1s"},
                        {"database.tcp_user_timeout", "1s"},
                        {"database.connect_timeout", "2s"}};
    return options;
  }
  void strike(Field& field) const override {
    const auto cut = static_cast<std::size_t>(field.round) % field.stage.replica_count();
    const auto name = field.stage.targets()[cut].name;
    field.wait_for_commits(2, "regroup" + std::to_string(cut + 1));
    field.struck(name);
    field.stage.network().cut(cut);
    // By then the replica has noticed that some of its COMMITs will not be answered.
    field.wait_until_answered();
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
