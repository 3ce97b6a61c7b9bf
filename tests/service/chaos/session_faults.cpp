// Connections that break and transactions that fail, with PostgreSQL alive.
#include "tests/service/chaos/fault.hpp"
#include "tests/support/eventually.hpp"

#include <stdexcept>

namespace regroup::chaos {
namespace {

using namespace std::chrono_literals;

/// Something that happens within COMMIT of a success, by a trigger that is deferred to it.
void add_commit_trigger(test::Sql& sql, const std::string& body) {
  sql.exec("CREATE FUNCTION chaos_commit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
           "IF NEW.status = 'success' THEN " +
           body + " END IF; RETURN NULL; END $$");
  sql.exec("CREATE CONSTRAINT TRIGGER chaos_commit AFTER INSERT ON migration_audit_logs "
           "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION chaos_commit()");
}

void remove_commit_trigger(test::Sql& sql) {
  sql.exec("DROP TRIGGER chaos_commit ON migration_audit_logs");
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
    add_commit_trigger(sql, "PERFORM pg_sleep(0.01);");
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
    remove_commit_trigger(sql);
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
    for (int cut = 0; cut < kCuts; ++cut) {
      const int before = cutter.cuts();
      cutter.cut_next(how_);
      if (!test::eventually([&] { return cutter.cuts() > before; }))
        throw std::runtime_error{"no COMMIT came to be cut"};
      ++field.counted;
    }
    field.healing();
  }

private:
  static constexpr int kCuts = 30;
  std::string name_;
  test::CommitCutter::Cut how_;
};

/// A full disk shows twice: a table cannot grow (53100, in the middle of a migration), and the log
/// cannot (PostgreSQL panics: sessions end in the middle of COMMIT).
class DiskFull final : public Fault {
public:
  std::string name() const override { return "disk-full"; }
  Stage::Options stage() const override { return {}; }
  void strike(Field& field) const override {
    auto sql = field.stage.sql();
    const int before = count_of(field.stage.logs(), kDiskFull);
    sql.exec("CREATE FUNCTION chaos_extend() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
             "IF random() < 0.1 THEN RAISE EXCEPTION 'could not extend file: No space left on "
             "device' USING ERRCODE = '53100'; END IF; RETURN NEW; END $$");
    sql.exec("CREATE TRIGGER chaos_extend BEFORE INSERT ON device_group_memberships "
             "FOR EACH ROW EXECUTE FUNCTION chaos_extend()");
    add_commit_trigger(
        sql, "IF random() < 0.2 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;");
    field.wait_for_successes(60);
    field.healing();
    remove_commit_trigger(sql);
    sql.exec("DROP TRIGGER chaos_extend ON device_group_memberships");
    sql.exec("DROP FUNCTION chaos_extend");
    field.counted += count_of(field.stage.logs(), kDiskFull) - before;
  }

private:
  static constexpr const char* kDiskFull = R"("sqlstate":"53100")";
};

} // namespace

void add_session_faults(Faults& faults) {
  using Cut = test::CommitCutter::Cut;
  faults.push_back(std::make_unique<BackendsTerminated>());
  faults.push_back(std::make_unique<CommitCut>("commit-answer-lost", Cut::after_commit));
  faults.push_back(std::make_unique<CommitCut>("commit-not-sent", Cut::before_commit));
  faults.push_back(std::make_unique<DiskFull>());
}

} // namespace regroup::chaos
