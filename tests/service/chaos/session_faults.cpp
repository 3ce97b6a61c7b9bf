// Connections that break and transactions that fail, with PostgreSQL alive.
#include "tests/service/chaos/fault.hpp"
#include "tests/support/eventually.hpp"

#include <stdexcept>

namespace regroup::chaos {
namespace {

using namespace std::chrono_literals;

constexpr const char* kWritten[]{"migration_audit_logs", "regroup_device_changes"};

/// Makes COMMIT take time, by triggers that are deferred to it, of what migrations, undos and
/// changes write.
void slow_commits_down(test::Sql& sql) {
  sql.exec("CREATE FUNCTION chaos_commit() RETURNS trigger LANGUAGE plpgsql AS "
           "$$ BEGIN PERFORM pg_sleep(0.01); RETURN NULL; END $$");
  for (const char* table : kWritten)
    sql.exec(std::string{"CREATE CONSTRAINT TRIGGER chaos_commit AFTER INSERT OR UPDATE ON "} +
             table + " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION chaos_commit()");
}

void leave_commits_alone(test::Sql& sql) {
  for (const char* table : kWritten)
    sql.exec(std::string{"DROP TRIGGER chaos_commit ON "} + table);
  sql.exec("DROP FUNCTION chaos_commit");
}

class BackendsTerminated final : public Fault {
public:
  std::string name() const override { return "backends-terminated"; }
  Stage::Options stage() const override { return {}; }
  void strike(Field& field) const override {
    auto sql = field.stage.sql();
    // A COMMIT can be ended until its record is written. That takes no time here: this gives it
    // some.
    slow_commits_down(sql);
    for (int loop = 0; loop < kLoops; ++loop) {
      int ended = 0;
      if (!test::eventually([&] {
            // Half of them, so that others get through meanwhile.
            ended = sql.value<int>(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = "
                "current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL "
                "AND application_name LIKE 'regroup%' AND random() < 0.5");
            return ended > 0;
          }))
        throw std::runtime_error{"there was nobody to terminate"};
      field.counted += ended;
      field.wait_for_answers(5);
    }
    field.healing();
    leave_commits_alone(sql);
  }

private:
  static constexpr int kLoops = 25;
};

class CommitCut final : public Fault {
public:
  CommitCut(std::string name, test::CommitCutter::Cut how) : name_{std::move(name)}, how_{how} {}
  std::string name() const override { return name_; }
  Stage::Options stage() const override {
    Stage::Options options;
    options.cutter = true;
    return options;
  }
  void strike(Field& field) const override {
    auto& cutter = field.stage.cutter();
    for (int cut = 0; cut < kCuts; ++cut)
      for (const auto kind : kWriting)
        field.cut(cutter, how_, {statement_of(kind)});
    field.healing();
  }

private:
  static constexpr int kCuts = 6; // of each kind
  std::string name_;
  test::CommitCutter::Cut how_;
};

} // namespace

void add_session_faults(Faults& faults) {
  using Cut = test::CommitCutter::Cut;
  faults.push_back(std::make_unique<BackendsTerminated>());
  faults.push_back(std::make_unique<CommitCut>("commit-answer-lost", Cut::after_commit));
  faults.push_back(std::make_unique<CommitCut>("commit-not-sent", Cut::before_commit));
}

} // namespace regroup::chaos
