// Guarantee 8: whatever breaks around a COMMIT, the answer is what became of the operation, for
// ever.
#include "tests/db/support.hpp"
#include "tests/support/commit_cutter.hpp"

#include <catch2/catch.hpp>

#include <functional>

using namespace regroup;
using namespace regroup::test;
using domain::Refused;
using domain::Uuid;
using Cut = CommitCutter::Cut;
using namespace std::chrono_literals;

namespace {

bool succeeded(const domain::Answer& answer) {
  return completed(answer) != nullptr || answer.is<domain::MigrationUndone>() ||
         answer.is<domain::GroupDevicesChanged>();
}

/// A store whose connection goes through a proxy that can cut it, and three operations that each
/// have an effect to look for.
class SettlementTest : public DatabaseTest {
public:
  SettlementTest() : DatabaseTest(tcp_postgres()), cutter(tcp_postgres().tcp_port()) {
    const auto name = world->sql.value<std::string>("SELECT current_database()");
    settings.lock_timeout = 500ms;
    settings.url = "host=127.0.0.1 port=" + std::to_string(cutter.port()) + " dbname=" + name +
                   " user=postgres sslmode=disable gssencmode=disable";
    user = world->add_user();
    devices = world->add_devices("camping-2025", 3, user);
    store = open_store();
  }

  struct Kind {
    std::string name;
    domain::Job job;
    std::function<bool()> happened;
  };

  Kind migration() {
    const auto what = command("camping-2025", user);
    return {"migration", what, [this, id = what->migration_id] {
              return world->sql.value<int>("SELECT count(*) FROM migration_audit_logs "
                                           "WHERE id = $1 AND status = 'success'",
                                           id.text()) == 1;
            }};
  }
  Kind undo() {
    const auto done = migrated();
    const auto what =
        std::make_shared<const domain::UndoCommand>(undo_of(done, user, "camping-2025"));
    return {"undo", what, [this] { return world->audits("rolled_back") == 1; }};
  }
  Kind change() {
    const auto done = migrated();
    auto what = std::make_shared<domain::ChangeGroupDevices>();
    what->action = domain::ChangeGroupDevices::Action::remove;
    what->change_id = Uuid::time_ordered();
    what->user_id = user;
    what->group_id = done.authenticated_group_id;
    what->device_ids = {devices[1]};
    what->deadline = std::chrono::steady_clock::now() + 30s;
    return {"device_change", domain::ChangePtr{what}, [this] { return world->memberships() == 2; }};
  }
  Kind kind(int which) { return which == 0 ? migration() : which == 1 ? undo() : change(); }

  domain::Answer ask(const domain::Job& job) { return run(*store, job); }

  /// No other session of ours is at work any more.
  bool all_is_quiet() {
    return eventually([&] {
      return world->sql.value<int>("SELECT count(*) FROM pg_stat_activity WHERE datname = "
                                   "current_database() AND state <> 'idle' "
                                   "AND pid <> pg_backend_pid()") == 0;
    });
  }

  /// The function's text with `from` replaced: its answer cannot be read then.
  void change_function(const std::string& name, const std::string& from, const std::string& to) {
    auto text = world->sql.value<std::string>("SELECT pg_get_functiondef($1::regproc)", name);
    const auto at = text.rfind(from);
    REQUIRE(at != text.npos);
    world->sql.exec(text.replace(at, from.size(), to));
  }

  CommitCutter cutter;
  Uuid user;
  std::vector<Uuid> devices;
  std::unique_ptr<TestStore> store;

private:
  domain::MigrationCompleted migrated() {
    const auto done = ask(command("camping-2025", user));
    REQUIRE(completed(done));
    return *completed(done);
  }
  static Postgres& tcp_postgres() {
    static Postgres server{{{}, false, true}};
    return server;
  }
};

} // namespace

TEST_CASE_METHOD(SettlementTest,
                 "what a stopped backend has not read never happens once it was denied") {
  const auto what = kind(GENERATE(0, 1, 2));
  INFO(what.name);
  cutter.cut_next(Cut::unread);
  const auto answer = ask(what.job);
  REQUIRE(cutter.cuts() == 1);
  CHECK(refused(answer) == Refused::database_unavailable);
  CHECK_FALSE(what.happened());
  cutter.release();
  REQUIRE(all_is_quiet());
  CHECK_FALSE(what.happened());
}

TEST_CASE_METHOD(SettlementTest,
                 "a settlement that is cut as well is asked again, whichever way it was cut") {
  const auto what = kind(GENERATE(0, 1, 2));
  const bool answered = GENERATE(false, true);
  INFO(what.name << (answered ? ", fenced and the answer lost" : ", the fence never written"));
  cutter.cut_next(Cut::unread, {}, {.spared = 0, .refused = 2, .answered = answered});
  const auto answer = ask(what.job);
  REQUIRE(cutter.refusals() == 2);
  CHECK(refused(answer) == Refused::database_unavailable);
  cutter.release();
  REQUIRE(all_is_quiet());
  CHECK_FALSE(what.happened());
}

TEST_CASE_METHOD(SettlementTest, "a COMMIT whose answer is lost is the success that was earned") {
  const auto what = kind(GENERATE(0, 1, 2));
  INFO(what.name);
  cutter.cut_next(Cut::after_commit);
  CHECK(succeeded(ask(what.job)));
  REQUIRE(cutter.cuts() == 1);
  CHECK(what.happened());
}

TEST_CASE_METHOD(SettlementTest, "no last word in place of COMMIT's answer is believed") {
  const auto what = kind(GENERATE(0, 1, 2));
  const auto [severity, sqlstate] = GENERATE(table<std::string, std::string>({
      {"FATAL", "57P01"},
      {"FATAL", "57P02"},
      {"FATAL", "57P03"},
      {"FATAL", "08006"},
      {"FATAL", "08P01"},
      {"FATAL", "53300"},
      {"FATAL", "XX000"},
      {"PANIC", "XX000"},
      {"ERROR", "08P01"},
      {"ERROR", "40001"},
      {"ERROR", "XX000"},
      {"ERROR", "57014"},
  }));
  INFO(what.name << ": " << severity << " " << sqlstate);
  cutter.speak_last(severity, sqlstate);
  cutter.cut_next(Cut::last_words);
  CHECK(succeeded(ask(what.job)));
  REQUIRE(cutter.cuts() == 1);
  CHECK(what.happened());
}

TEST_CASE_METHOD(SettlementTest,
                 "what only a pooler can have said is not believed in step either") {
  const auto what = kind(GENERATE(0, 1, 2));
  const auto [severity, sqlstate] = GENERATE(table<std::string, std::string>(
      {{"ERROR", "08P01"}, {"ERROR", "08006"}, {"ERROR", "57P01"}, {"FATAL", "XX000"}}));
  INFO(what.name << ": " << severity << " " << sqlstate);
  cutter.speak_last(severity, sqlstate, true);
  cutter.cut_next(Cut::last_words);
  CHECK(succeeded(ask(what.job)));
  REQUIRE(cutter.cuts() == 1);
  CHECK(what.happened());
}

TEST_CASE_METHOD(SettlementTest, "an answer that cannot be read after COMMIT is looked up") {
  SECTION("a migration's") {
    change_function("regroup_migrate_v2", "o_migration_id := p_migration_id",
                    "o_migration_id := NULL");
    const auto what = migration();
    CHECK(completed(ask(what.job)));
    CHECK(what.happened());
  }
  SECTION("an undo's") {
    const auto what = undo();
    change_function("regroup_undo_v1", "o_migration_id := done.id", "o_migration_id := NULL");
    CHECK(ask(what.job).is<domain::MigrationUndone>());
    CHECK(what.happened());
  }
  SECTION("a change's") {
    const auto what = change();
    change_function("regroup_change_devices_v1", "outcome := 'changed'", "outcome := 'odd'");
    CHECK(ask(what.job).is<domain::GroupDevicesChanged>());
    CHECK(what.happened());
  }
}

TEST_CASE_METHOD(SettlementTest,
                 "a link that is cut while its backend waits is no rival's migration") {
  const bool commits = GENERATE(true, false);
  HeldTransaction holder{url};
  holder.exec("SELECT FROM devices WHERE device_id = $1 FOR UPDATE", devices[0].text());
  if (!commits) // the old backend fails when it goes on
    world->raise_at_device(2);
  cutter.cut_next(Cut::abandoned);
  const auto what = migration();
  auto answer = std::async(std::launch::async, [&] { return ask(what.job); });
  REQUIRE(somebody_waits("transactionid"));
  REQUIRE(somebody_waits("advisory")); // the settlement
  holder.rollback();
  if (commits)
    CHECK(completed(answer.get()));
  else
    CHECK(refused(answer.get()) == Refused::database_unavailable);
  CHECK(what.happened() == commits);
}

TEST_CASE_METHOD(SettlementTest, "a read of the record whose answer is lost is asked again") {
  REQUIRE(completed(ask(command("camping-2025", user))));
  cutter.cut_next(GENERATE(Cut::after_commit, Cut::before_commit));
  const auto found =
      ask(domain::RecallMigration{"camping-2025", {user}, std::chrono::steady_clock::now() + 30s});
  REQUIRE(cutter.cuts() == 1);
  REQUIRE(found.is<domain::MigrationRecalled>());
  CHECK(found.get<domain::MigrationRecalled>().answers.size() == 1);
}

TEST_CASE_METHOD(SettlementTest, "a registration whose answer is lost is sent again") {
  const auto device = Uuid::random();
  cutter.cut_next(Cut::after_commit);
  const auto answer =
      ask(domain::RegisterDevice{.device_id = device,
                                 .display_name = "Phone",
                                 .registration_group_id = "camping-2025",
                                 .platform = "android",
                                 .fcm_token = {},
                                 .user_id = user,
                                 .deadline = std::chrono::steady_clock::now() + 30s});
  REQUIRE(cutter.cuts() == 1);
  CHECK(answer.is<domain::DeviceRegistered>());
  CHECK(world->devices_in("camping-2025") == 4);
}

TEST_CASE_METHOD(SettlementTest,
                 "an id that its replica has given up is final once it was asked about") {
  const auto what = kind(GENERATE(0, 1, 2));
  INFO(what.name);
  const auto operation = *what.job.operation();
  cutter.cut_next(Cut::unread, {}, {.spared = 0, .refused = 1000, .answered = false});
  const domain::Answer answer = [&] { // with time for no settlement
    if (const auto* command = std::get_if<domain::MigrationPtr>(&operation)) {
      auto hurried = **command;
      hurried.deadline = std::chrono::steady_clock::now() + 300ms;
      return ask(std::make_shared<const domain::MigrationCommand>(hurried));
    }
    if (const auto* command = std::get_if<domain::UndoPtr>(&operation)) {
      auto hurried = **command;
      hurried.deadline = std::chrono::steady_clock::now() + 300ms;
      return ask(std::make_shared<const domain::UndoCommand>(hurried));
    }
    auto hurried = *std::get<domain::ChangePtr>(operation);
    hurried.deadline = std::chrono::steady_clock::now() + 300ms;
    return ask(std::make_shared<const domain::ChangeGroupDevices>(hurried));
  }();
  REQUIRE(refused(answer) == Refused::timeout);
  const auto& refusal = answer.get<domain::Refusal>();
  const auto id = domain::id_of(operation);
  CHECK((what.name == "migration" ? refusal.migration_id : refusal.operation_id) == id);
  cutter.forgive();

  const auto status = [&](const Uuid& who, std::chrono::milliseconds final_after) {
    const auto until = std::chrono::steady_clock::now() + 30s;
    return what.name == "migration" ? ask(domain::FindMigration{id, who, final_after, until})
                                    : ask(domain::FindOperation{id, who, final_after, until});
  };
  CHECK(refused(status(user, 1h)) == Refused::not_found); // its replica may be at it still
  CHECK(refused(status(user, 0ms)) == Refused::internal); // an answer, not a refusal
  cutter.release();
  REQUIRE(all_is_quiet());
  CHECK_FALSE(what.happened());
  const auto final = status(user, 0ms);
  if (what.name == "migration")
    CHECK(final.get<domain::MigrationReport>().status == domain::MigrationReport::Status::failed);
  else
    CHECK_FALSE(final.get<domain::OperationReport>().completed);
  CHECK(refused(status(world->add_user(), 0ms)) == Refused::internal); // the first need not own it
  CHECK(refused(status(world->add_user(false), 0ms)) == Refused::unauthorized);
}

TEST_CASE_METHOD(SettlementTest,
                 "an id that names something else is not settled by asking at the wrong place") {
  const auto what = kind(GENERATE(0, 1, 2));
  INFO(what.name);
  const auto done = ask(what.job);
  REQUIRE(succeeded(done));
  const auto id = domain::id_of(*what.job.operation());
  const auto until = std::chrono::steady_clock::now() + 30s;
  const auto wrong = [&](const Uuid& about) {
    return what.name == "migration" ? ask(domain::FindOperation{about, user, 0ms, until})
                                    : ask(domain::FindMigration{about, user, 0ms, until});
  };
  CHECK(refused(wrong(id)) == Refused::not_found);
  if (const auto* migrated = completed(done))
    CHECK(refused(wrong(migrated->authenticated_group_id)) == Refused::not_found);
  CHECK(world->audits("failed") == 0);
}

TEST_CASE_METHOD(SettlementTest,
                 "an operation that committed says so under its id, to its caller") {
  const auto what = kind(GENERATE(1, 2));
  REQUIRE(succeeded(ask(what.job)));
  const auto id = domain::id_of(*what.job.operation());
  const auto found =
      ask(domain::FindOperation{id, user, 0ms, std::chrono::steady_clock::now() + 30s});
  REQUIRE(found.is<domain::OperationReport>());
  const auto& report = found.get<domain::OperationReport>();
  CHECK(report.completed);
  CHECK(report.kind == what.name);
  CHECK(report.group_id);
}

TEST_CASE_METHOD(SettlementTest,
                 "an id that is of no time, or of another day, is not settled by a question") {
  const auto ask_about = [&](const Uuid& id) {
    return refused(
        ask(domain::FindMigration{id, user, 0ms, std::chrono::steady_clock::now() + 30s}));
  };
  CHECK(ask_about(Uuid::random()) == Refused::not_found);
  CHECK(ask_about(Uuid::parse("01900000-0000-7000-8000-000000000000").value()) ==
        Refused::not_found);
  CHECK(world->audits("failed") == 0);
}

TEST_CASE_METHOD(SettlementTest,
                 "a settlement's fence is not seen before it is kept, and its lock holds") {
  const auto what = command("camping-2025", user);
  HeldTransaction settling{url};
  settling.exec("SELECT regroup_settle_v1('migration', $1, $2, 'camping-2025', NULL, 'wait', "
                "'server/database-unavailable', 'nothing')",
                what->migration_id.text(), user.text());
  CHECK(refused(ask(what)) == Refused::in_progress); // the old batch, read now: the lock is held
  settling.commit();
  const auto late = ask(what);
  CHECK(refused(late) == Refused::database_unavailable);
  CHECK(world->groups() == 0);
}
