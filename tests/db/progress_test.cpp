// A migration that takes long is seen from outside its transaction, and its end is always told.
#include "tests/db/support.hpp"

#include <catch2/catch.hpp>

using namespace regroup;
using namespace regroup::test;
using namespace std::chrono_literals;
using domain::MigrationReport;
using domain::Refused;
using domain::Uuid;
using Status = domain::MigrationReport::Status;

namespace {

class ProgressTest : public DatabaseTest {
public:
  ProgressTest() : user(world->add_user()) { world->add_devices("camping-2025", 3, user); }

  static domain::Deadline soon() { return std::chrono::steady_clock::now() + 30s; }

  domain::MigrationPtr followed(const std::string& group, std::int64_t most = 100) {
    auto what = *command(group, user);
    what.max_devices = most;
    what.progress = std::make_shared<domain::MigrationProgress>();
    return std::make_shared<const domain::MigrationCommand>(std::move(what));
  }
  std::int64_t note(const domain::MigrationPtr& what) {
    const auto answer = new_store()->execute(domain::NoteRunning{what, soon()});
    REQUIRE(answer.is<domain::RunningNoted>());
    return answer.get<domain::RunningNoted>().devices_total;
  }
  void publish(const domain::MigrationPtr& what, bool answered_202 = true) {
    const auto answer =
        new_store()->execute(domain::PublishRunning{"host:8080", {{what, answered_202}}, soon()});
    REQUIRE(answer.is<domain::Done>());
  }
  void end(const domain::MigrationPtr& what, const std::string& code = {}) {
    const auto answer =
        new_store()->execute(domain::EndRunning{what, code, code.empty() ? "" : "No", soon()});
    REQUIRE(answer.is<domain::Done>());
  }
  domain::Answer ask(const domain::MigrationPtr& what, std::optional<Uuid> who) {
    return new_store()->execute(
        domain::FindMigration{what->migration_id, who, std::nullopt, soon()});
  }
  MigrationReport found(const domain::MigrationPtr& what) {
    const auto answer = ask(what, user);
    REQUIRE(answer.is<MigrationReport>());
    return answer.get<MigrationReport>();
  }
  /// The replica is not heard of any more.
  void fall_silent() {
    world->sql.exec("UPDATE regroup_running SET told_at = now() - interval '11 seconds'");
  }
  int noted() { return world->sql.value<int>("SELECT count(*) FROM regroup_running"); }

  Uuid user;
};

} // namespace

TEST_CASE_METHOD(ProgressTest, "a large migration says how far it is while it runs") {
  world->add_devices("city", 1, user);
  world->sql.exec("INSERT INTO devices (device_id, display_name, group_id, platform) SELECT "
                  "gen_random_uuid(), 'phone', 'city', 'android' FROM generate_series(1, 2000)");
  // Device 1200 of 2001 waits for a lock that we hold.
  world->sql.exec("CREATE SEQUENCE test_count; CREATE FUNCTION test_wait() RETURNS trigger "
                  "LANGUAGE plpgsql AS $$ BEGIN IF nextval('test_count') = 1200 THEN PERFORM "
                  "pg_advisory_xact_lock(42); END IF; RETURN NEW; END $$; CREATE TRIGGER test_wait "
                  "BEFORE INSERT ON device_group_memberships FOR EACH ROW EXECUTE FUNCTION "
                  "test_wait()");
  HeldTransaction holder{url};
  holder.exec("SELECT pg_advisory_xact_lock(42)");
  settings.lock_timeout = 60s;
  const auto what = followed("city", 5000);
  auto running = migrate_meanwhile(what);
  REQUIRE(somebody_waits("advisory"));
  CHECK(eventually([&] { return what->progress->processed == 1000; }));
  CHECK(what->progress->total == 2001);

  CHECK(note(what) == 2001);
  CHECK(found(what).devices_processed == 0);
  publish(what);
  const auto report = found(what);
  CHECK(report.status == Status::in_progress);
  CHECK(report.registration_group_id == "city");
  CHECK(report.devices_total == 2001);
  CHECK(report.devices_processed == 1000);
  CHECK(refused(ask(what, world->add_user())) == Refused::not_found);
  CHECK(ask(what, std::nullopt).is<MigrationReport>()); // an administrator
  fall_silent(); // but somebody holds the lock: it is not dead
  CHECK(found(what).status == Status::in_progress);
  holder.rollback();
  CHECK(completed(running.get()));
  CHECK(found(what).status == Status::completed); // before its note is gone, and after
  end(what);
  CHECK(found(what).status == Status::completed);
  CHECK(noted() == 0);
}

TEST_CASE_METHOD(ProgressTest, "a refusal after a 202 is found as failed, with its code") {
  const auto what = followed("nobody-here");
  CHECK(note(what) == 0);
  CHECK(refused(migrate(what)) == Refused::no_devices);
  CHECK(found(what).status == Status::in_progress); // not yet told
  end(what, "validation/no-devices");
  const auto report = found(what);
  CHECK(report.status == Status::failed);
  CHECK(report.error_code == "validation/no-devices");
  CHECK(report.error_message == "No");
  CHECK(noted() == 0);
}

TEST_CASE_METHOD(ProgressTest, "an outcome that is on record is not written over") {
  const auto what = followed("camping-2025");
  note(what);
  REQUIRE(completed(migrate(what)));
  end(what, "server/internal");
  CHECK(found(what).status == Status::completed);
}

TEST_CASE_METHOD(ProgressTest,
                 "what a dead replica left is failed for good, should it wake again") {
  const auto what = followed("camping-2025");
  note(what);
  CHECK(found(what).status == Status::in_progress);
  fall_silent();
  for (int i = 0; i < 2; ++i) {
    const auto report = found(what);
    CHECK(report.status == Status::failed);
    CHECK(report.error_code == "server/internal");
  }
  CHECK(noted() == 0);
  CHECK(refused(migrate(what)) == Refused::database_unavailable);
  CHECK(world->groups() == 0);
  CHECK(found(what).status == Status::failed);
  CHECK(completed(migrate(command("camping-2025", user)))); // the group is not refused for good
}

TEST_CASE_METHOD(ProgressTest, "a note that comes after the end is not written") {
  const auto what = followed("camping-2025");
  REQUIRE(completed(migrate(what)));
  note(what);
  CHECK(noted() == 0);
}

TEST_CASE_METHOD(ProgressTest, "a replica that is heard of again runs still") {
  const auto what = followed("camping-2025");
  note(what);
  fall_silent();
  publish(what);
  CHECK(found(what).status == Status::in_progress);
}

TEST_CASE_METHOD(ProgressTest,
                 "what runs long is in progress on every replica before it is a 202") {
  const auto what = followed("camping-2025");
  publish(what, false);
  const auto report = found(what);
  CHECK(report.status == Status::in_progress);
  CHECK_FALSE(report.devices_total); // not counted yet
  CHECK(note(what) == 3);
  CHECK(found(what).devices_total == 3);
  publish(what, false); // sent before the note, come after it
  CHECK(found(what).devices_total == 3);
  REQUIRE(completed(migrate(what)));
  CHECK(found(what).status == Status::completed); // with its note still there
  publish(what);
  end(what);
  publish(what); // the same
  CHECK(noted() == 0);
}

TEST_CASE_METHOD(ProgressTest, "a migration that is answered at once writes no note") {
  const auto before = postgres().log().size();
  const auto store = new_store();
  REQUIRE(completed(store->execute(followed("camping-2025"))));
  CHECK(postgres().log().substr(before).find("regroup_running") == std::string::npos);
  CHECK(noted() == 0);
}
