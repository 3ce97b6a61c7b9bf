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

/// A replica that freezes when its migration has its locks and is not yet committed. They must come
/// free, and what it says when it goes on must be true.
class ReplicaFrozen final : public Fault {
public:
  std::string name() const override { return "replica-frozen"; }
  Stage::Options stage() const override {
    Stage::Options options;
    options.settings = {
        {"database.idle_in_transaction_timeout", std::to_string(kIdleInTransaction.count()) + "ms"},
        // Who was frozen for longer than this says 202 or 504 first, so that its caller has to ask
        // again.
        {"migration.async_after", std::to_string(kAsyncAfter.count()) + "ms"},
        {"http.request_timeout", std::to_string(kTimeout.count()) + "ms"}};
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
    wait_until_blocked(sql, holder.backend_pid());
    field.wait_for_commits(1, "regroup1");
    stage.replica(0).signal(SIGSTOP);
    field.struck(stage.targets()[0].name);
    holder.rollback();
    const bool freed = test::eventually(
        [&] {
          const auto answer =
              ask_to_migrate(field.record, stage.targets()[1], group, group.users[1]);
          return answer.status == 201 || answer.code == "resource/already-migrated";
        },
        kIdleInTransaction + kMargin);
    wait_until_silent(sql, kTimeout);
    field.healing();
    stage.replica(0).signal(SIGCONT);
    frozen.get();
    if (!freed)
      throw std::runtime_error{"the frozen replica's lock was not freed"};
  }

private:
  static constexpr std::chrono::milliseconds kIdleInTransaction = 1s;
  static constexpr std::chrono::milliseconds kAsyncAfter = 500ms;
  static constexpr std::chrono::milliseconds kTimeout = 1500ms;
  static constexpr std::chrono::milliseconds kMargin = 3s; // for a machine that is busy

  /// Until the frozen replica has asked PostgreSQL nothing for that long: by then it owes a 202 or
  /// 504.
  static void wait_until_silent(test::Sql& sql, std::chrono::milliseconds span) {
    if (!test::eventually([&] {
          return sql.value<bool>("SELECT min(clock_timestamp() - state_change) > $1 * interval "
                                 "'1 millisecond' FROM pg_stat_activity "
                                 "WHERE application_name = 'regroup1'",
                                 span.count());
        }))
      throw std::runtime_error{"the frozen replica goes on"};
  }

  static void wait_until_blocked(test::Sql& sql, int holder) {
    if (!test::eventually([&] {
          return sql.value<bool>("SELECT EXISTS (SELECT FROM pg_stat_activity WHERE $1 = "
                                 "ANY (pg_blocking_pids(pid)))",
                                 holder);
        }))
      throw std::runtime_error{"no migration waits for the held row"};
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
