// Processes that end or freeze.
#include "tests/service/chaos/fault.hpp"
#include "tests/support/eventually.hpp"

#include <csignal>
#include <future>
#include <stdexcept>

namespace regroup::chaos {
namespace {

using namespace std::chrono_literals;

class ReplicaKilled final : public Fault {
public:
  std::string name() const override { return "replica-killed"; }
  Stage::Options stage() const override {
    Stage::Options options;
    options.replicas = 3;
    options.haproxy = true;
    return options;
  }
  void strike(Field& field) const override {
    for (std::size_t index = 0; index < 2; ++index) {
      field.wait_for_commits(2, "regroup" + std::to_string(index + 1));
      field.struck();
      field.stage.kill_replica(index);
      field.wait_for_successes(20); // the others serve on
      field.healing();
      field.stage.restart_replica(index);
      field.stage.wait_until_ready(index);
      field.wait_for_successes(20);
    }
  }
};

class PostgresKilled final : public Fault {
public:
  std::string name() const override { return "postgres-killed"; }
  Stage::Options stage() const override { return {}; }
  void strike(Field& field) const override {
    field.wait_for_commits(4);
    field.struck();
    if (field.round % 2 == 0)
      field.stage.primary().kill9_all();
    else
      field.stage.primary().kill9(); // its backends live on for a moment, and may still answer
    field.wait_for_answers(60);
    field.healing();
    field.stage.primary().restart();
  }
};

class PostgresFrozen final : public Fault {
public:
  std::string name() const override { return "postgres-frozen"; }
  Stage::Options stage() const override {
    Stage::Options options;
    // No 202 comes before the 504.
    options.settings = {{"migration.async_after", "10s"}, {"http.request_timeout", "2s"}};
    return options;
  }
  void strike(Field& field) const override {
    field.wait_for_commits(4);
    field.struck();
    field.stage.primary().stop_signal();
    field.wait_for(20, "answers of 504",
                   [](const Request& request) { return request.answer.status == 504; });
    field.healing();
    field.stage.primary().continue_signal();
  }
};

/// A replica that freezes when its migration is written and not yet committed. Its lock must come
/// free, and what it says when it goes on must be true.
class ReplicaFrozen final : public Fault {
public:
  std::string name() const override { return "replica-frozen"; }
  Stage::Options stage() const override {
    Stage::Options options;
    options.settings = {
        {"database.idle_in_transaction_timeout", std::to_string(kIdleInTransaction.count()) + "ms"},
        // Who was frozen for longer than this says 202 first, so that its caller has to ask again.
        {"migration.async_after", "500ms"}};
    return options;
  }
  void strike(Field& field) const override {
    auto& stage = field.stage;
    const auto& group = field.take_group();
    // Its migration waits for a row of ours, so that it is known where it stands when it freezes.
    test::HeldTransaction holder{stage.database_url()};
    holder.exec("SELECT FROM devices WHERE device_id = $1 FOR UPDATE", group.devices[0].text());
    auto frozen = std::async(std::launch::async, [&] {
      return ask_to_migrate(field.record, stage.targets()[0], group, group.users[0]);
    });
    auto sql = stage.sql();
    const auto backend = waiting_for(sql, holder.backend_pid());
    field.wait_for_commits(1, "regroup1");
    stage.replica(0).signal(SIGSTOP);
    field.struck(stage.targets()[0].name);
    holder.rollback();
    if (!test::eventually([&] { return state_of(sql, backend) == "idle in transaction"; }, 5s))
      throw std::runtime_error{"the frozen replica's migration is not written"};
    const bool freed = test::eventually(
        [&] {
          const auto answer =
              ask_to_migrate(field.record, stage.targets()[1], group, group.users[1]);
          return answer.status == 201;
        },
        kIdleInTransaction + kMargin);
    field.healing();
    stage.replica(0).signal(SIGCONT);
    frozen.get();
    if (!freed)
      throw std::runtime_error{"the frozen replica's lock was not freed"};
  }

private:
  static constexpr std::chrono::milliseconds kIdleInTransaction = 1s;
  static constexpr std::chrono::milliseconds kMargin = 3s; // for a machine that is busy

  static int waiting_for(test::Sql& sql, int holder) {
    int found = 0;
    test::eventually([&] {
      const auto rows = sql.exec("SELECT pid FROM pg_stat_activity WHERE $1 = "
                                 "ANY (pg_blocking_pids(pid))",
                                 holder);
      found = rows.empty() ? 0 : rows[0][0].as<int>();
      return found != 0;
    });
    if (found == 0)
      throw std::runtime_error{"no migration waits for the held row"};
    return found;
  }

  static std::string state_of(test::Sql& sql, int backend) {
    const auto rows =
        sql.exec("SELECT coalesce(state, '') FROM pg_stat_activity WHERE pid = $1", backend);
    return rows.empty() ? "gone" : rows[0][0].c_str();
  }
};

} // namespace

void add_process_faults(Faults& faults) {
  faults.push_back(std::make_unique<ReplicaKilled>());
  faults.push_back(std::make_unique<PostgresKilled>());
  faults.push_back(std::make_unique<PostgresFrozen>());
  faults.push_back(std::make_unique<ReplicaFrozen>());
}

} // namespace regroup::chaos
