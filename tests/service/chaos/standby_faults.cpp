// A synchronous standby, and what becomes of promises without it.
#include "tests/service/chaos/fault.hpp"
#include "tests/support/eventually.hpp"

#include <stdexcept>

namespace regroup::chaos {
namespace {

using namespace std::chrono_literals;

class Failover final : public Fault {
public:
  std::string name() const override { return "failover"; }
  bool spends_stage() const override { return true; } // the old primary is lost
  Stage::Options stage() const override {
    Stage::Options options;
    options.standby = true;
    return options;
  }
  void strike(Field& field) const override {
    field.wait_for_commits(4);
    field.struck();
    field.stage.primary().kill9_all();
    field.wait_for_answers(60);
    field.healing();
    field.stage.promote_standby();
  }
};

/// An administrator cancels COMMITs that wait for a standby which is away. PostgreSQL keeps them,
/// with a warning, and no standby has them: none may be promised before the standby is back.
class StandbyWaitCancelled final : public Fault {
public:
  std::string name() const override { return "standby-wait-cancelled"; }
  Stage::Options stage() const override {
    Stage::Options options;
    options.standby = true;
    options.settings = {{"migration.async_after", "300ms"}, {"http.request_timeout", "3s"}};
    return options;
  }
  void strike(Field& field) const override {
    auto sql = field.stage.sql();
    field.stage.standby().stop_signal();
    field.struck();
    Unpromised gap{now(), 0};
    const auto until = std::chrono::steady_clock::now() + 2s;
    const bool enough = test::eventually([&] {
      field.counted +=
          sql.value<int>("SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity "
                         "WHERE datname = current_database() AND wait_event = 'SyncRep' "
                         "AND application_name LIKE 'regroup%'");
      return field.counted >= kCancelled && std::chrono::steady_clock::now() > until;
    });
    if (!enough)
      throw std::runtime_error{"too few COMMITs waited for the standby"};
    gap.until = now();
    field.unpromised.push_back(gap);
    field.healing();
    field.stage.standby().continue_signal();
  }

private:
  static constexpr int kCancelled = 20;
};

} // namespace

void add_standby_faults(Faults& faults) {
  faults.push_back(std::make_unique<Failover>());
  faults.push_back(std::make_unique<StandbyWaitCancelled>());
}

} // namespace regroup::chaos
