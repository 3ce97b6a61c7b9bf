// What an undo does, what it refuses, and that it never runs beside a migration.
#include "db/session.hpp"
#include "tests/db/support.hpp"

#include <catch2/catch.hpp>

using namespace regroup;
using namespace regroup::test;
using namespace std::chrono_literals;
using domain::Refused;
using domain::Uuid;

namespace {

class UndoTest : public DatabaseTest {
public:
  UndoTest() : user(world->add_user()), devices(world->add_devices("camping-2025", 3, user)) {}

  domain::MigrationCompleted migrated(const domain::MigrationPtr& what) {
    const auto answer = migrate(what);
    REQUIRE(completed(answer));
    return *completed(answer);
  }
  domain::MigrationCompleted migrated() { return migrated(command("camping-2025", user)); }

  domain::UndoPtr undo_of(const Uuid& group, const Uuid& who, std::optional<std::string> key = {}) {
    domain::UndoCommand what;
    what.undo_id = Uuid::time_ordered();
    what.authenticated_group_id = group;
    what.user_id = who;
    what.registration_group_id = "camping-2025";
    what.window = window;
    what.idempotency_key = std::move(key);
    what.deadline = std::chrono::steady_clock::now() + 30s;
    return std::make_shared<const domain::UndoCommand>(std::move(what));
  }
  domain::Answer undo(const domain::UndoPtr& what) { return new_store()->execute(what); }
  domain::Answer undo(const Uuid& group) { return undo(undo_of(group, user)); }

  /// Everything but the audit is as it was before the migration.
  void nothing_is_left() {
    CHECK(world->groups() == 0);
    CHECK(world->group_members() == 0);
    CHECK(world->memberships() == 0);
    CHECK(world->devices_in("camping-2025") == 3);
    CHECK(world->audits("rolled_back") == 1);
  }

  Uuid user;
  std::vector<Uuid> devices;
  std::chrono::milliseconds window = std::chrono::hours{168};
};

const domain::MigrationUndone* undone(const domain::Answer& answer) {
  return answer.get_if<domain::MigrationUndone>();
}

/// The next COMMIT that has changed an audit row ends its session instead.
void kill_at_commit(World& world) {
  world.sql.exec(
      "CREATE FUNCTION test_kill() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM "
      "pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(10); RETURN NEW; END $$; "
      "CREATE CONSTRAINT TRIGGER test_kill AFTER UPDATE ON migration_audit_logs "
      "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION test_kill()");
}

} // namespace

TEST_CASE_METHOD(UndoTest, "an undo leaves nothing of a migration but its audit row") {
  const auto done = migrated();
  const auto answer = undo(done.authenticated_group_id);
  REQUIRE(undone(answer));
  CHECK(undone(answer)->migration_id == done.migration_id);
  CHECK(undone(answer)->device_ids == devices);
  CHECK_FALSE(undone(answer)->replayed);
  nothing_is_left();
  CHECK(world->audits("success") == 0);

  const auto again = undo(done.authenticated_group_id);
  CHECK(refused(again) == Refused::already_rolled_back);
  CHECK(again.get<domain::Refusal>().migration_id == done.migration_id);
  CHECK(refused(undo(undo_of(done.authenticated_group_id, world->add_user()))) ==
        Refused::not_found);
  CHECK(world->audits("rolled_back") == 1);
}

TEST_CASE_METHOD(UndoTest, "what was undone can be migrated again, and undone again") {
  for (int round = 1; round <= 3; ++round) {
    const auto done = migrated();
    CHECK(world->devices_in("camping-2025") == 3); // the slug
    CHECK(world->memberships() == 3);
    REQUIRE(undone(undo(done.authenticated_group_id)));
    CHECK(world->audits("rolled_back") == round);
  }
  CHECK(world->groups() == 0);
  CHECK(migrated().device_ids == devices);
}

TEST_CASE_METHOD(UndoTest, "only the owner may undo a migration, and only what there is") {
  const auto done = migrated(named("camping-2025", user, "Chen Family"));
  const auto group = done.authenticated_group_id;
  CHECK(refused(undo(undo_of(group, world->add_user()))) == Refused::not_group_member);
  CHECK(refused(undo(undo_of(group, world->add_user(false)))) == Refused::unauthorized);
  CHECK(refused(undo(Uuid::random())) == Refused::not_found);
  const auto admin = world->add_user();
  world->sql.exec(
      "INSERT INTO group_memberships (group_id, user_id, role) VALUES ($1, $2, 'admin')",
      group.text(), admin.text());
  CHECK(refused(undo(undo_of(group, admin))) == Refused::forbidden);
  CHECK(world->groups() == 1);

  const auto by_hand = Uuid::random();
  world->sql.exec("INSERT INTO groups (id, name, slug, created_by) VALUES ($1, 'x', 'x', $2)",
                  by_hand.text(), user.text());
  world->sql.exec(
      "INSERT INTO group_memberships (group_id, user_id, role) VALUES ($1, $2, 'owner')",
      by_hand.text(), user.text());
  CHECK(refused(undo(by_hand)) == Refused::not_found);
}

TEST_CASE_METHOD(UndoTest, "an undo after the window is refused") {
  const auto done = migrated();
  world->sql.exec(
      "UPDATE migration_audit_logs SET created_at = now() - interval '7 days 1 minute'");
  CHECK(refused(undo(done.authenticated_group_id)) == Refused::rollback_expired);
  CHECK(world->groups() == 1);
}

TEST_CASE_METHOD(UndoTest, "a group that was changed since its migration is not undone") {
  const auto done = migrated(named("camping-2025", user, "Chen Family"));
  const std::string group = done.authenticated_group_id.text();
  const auto change = [&](const std::string& sql) { world->sql.exec(sql); };
  SECTION("its settings") { change(R"(UPDATE groups SET settings = '{"quiet": true}')"); }
  SECTION("its name") { change("UPDATE groups SET name = 'Chens'"); }
  SECTION("its name, and back") {
    change("UPDATE groups SET name = 'Chens'; UPDATE groups SET name = 'Chen Family'");
  }
  SECTION("a member came") {
    change("INSERT INTO group_memberships (group_id, user_id) VALUES ('" + group + "', '" +
           world->add_user().text() + "')");
  }
  SECTION("the owner's membership was written anew") {
    change("UPDATE group_memberships SET role = 'owner'");
  }
  SECTION("a device came") {
    change("INSERT INTO device_group_memberships (group_id, device_id) VALUES ('" + group + "', '" +
           world->add_devices("lake", 1, user).front().text() + "')");
  }
  SECTION("a device was taken out") {
    change("DELETE FROM device_group_memberships WHERE device_id = '" + devices[1].text() + "'");
  }
  SECTION("a device was taken out and put back") {
    change("DELETE FROM device_group_memberships WHERE device_id = '" + devices[1].text() +
           "'; INSERT INTO device_group_memberships (group_id, device_id) VALUES ('" + group +
           "', '" + devices[1].text() + "')");
  }
  SECTION("a device was deleted") {
    change("DELETE FROM devices WHERE device_id = '" + devices[1].text() + "'");
  }
  SECTION("a device was moved") {
    change("UPDATE devices SET group_id = 'lake' WHERE device_id = '" + devices[1].text() + "'");
  }
  SECTION("another program's table holds on to it") {
    change("CREATE TABLE invitations (group_id uuid REFERENCES groups (id)); "
           "INSERT INTO invitations VALUES ('" +
           group + "')");
  }
  const auto answer = undo(done.authenticated_group_id);
  CHECK(refused(answer) == Refused::group_modified);
  CHECK(answer.get<domain::Refusal>().authenticated_group_id == done.authenticated_group_id);
  CHECK(world->groups() == 1);
  CHECK(world->audits("success") == 1);
}

TEST_CASE_METHOD(UndoTest, "devices that are seen and used after a migration do not keep it") {
  const auto done = migrated(named("camping-2025", user, "Chen Family"));
  world->sql.exec("UPDATE devices SET last_seen_at = now(), fcm_token = 'new', active = false");
  REQUIRE(undone(undo(done.authenticated_group_id)));
  nothing_is_left();
}

TEST_CASE_METHOD(UndoTest,
                 "a partial migration is undone, but not under a full one that followed") {
  world->sql.exec("UPDATE devices SET owner_user_id = $1", user.text());
  const auto part = migrated(command("camping-2025", user, {devices[0]}));
  const auto rest = migrated(named("camping-2025", user, "Rest"));
  // Its device would be in a registration group that cannot be migrated any more.
  const auto answer = undo(part.authenticated_group_id);
  CHECK(refused(answer) == Refused::already_migrated);
  CHECK(world->groups() == 2);
  REQUIRE(undone(undo(rest.authenticated_group_id)));
  REQUIRE(undone(undo(part.authenticated_group_id)));
  CHECK(world->groups() == 0);
  CHECK(world->devices_in("camping-2025") == 3);
  CHECK(migrated().device_ids == devices);
}

TEST_CASE_METHOD(UndoTest, "an undo's Idempotency-Key answers the first outcome again") {
  const auto done = migrated(keyed("camping-2025", user, "tap-1", "hash"));
  const auto group = done.authenticated_group_id;
  CHECK(refused(undo(undo_of(group, user, "tap-1"))) == Refused::idempotency_mismatch);
  const auto first = undo(undo_of(group, user, "tap-2"));
  REQUIRE(undone(first));
  const auto again = undo(undo_of(group, user, "tap-2"));
  REQUIRE(undone(again));
  CHECK(undone(again)->replayed);
  CHECK(undone(again)->migration_id == done.migration_id);
  CHECK(undone(again)->rolled_back_at == undone(first)->rolled_back_at);
  CHECK(undone(again)->device_ids == devices);
  CHECK(refused(undo(undo_of(Uuid::random(), user, "tap-2"))) == Refused::idempotency_mismatch);

  // A late retry of the migration is answered as the first time, and does not do it again.
  const auto retry = migrate(keyed("camping-2025", user, "tap-1", "hash"));
  REQUIRE(completed(retry));
  CHECK(completed(retry)->replayed);
  CHECK(completed(retry)->authenticated_group_id == group);
  CHECK(world->groups() == 0);
  CHECK(refused(migrate(keyed("camping-2025", user, "tap-2", "hash"))) ==
        Refused::idempotency_mismatch);
}

TEST_CASE_METHOD(UndoTest, "while the registration group is locked an undo is told so at once") {
  const auto done = migrated();
  HeldTransaction holder{url};
  holder.exec("SELECT pg_advisory_xact_lock(regroup_lock_key('camping-2025'))");
  CHECK(refused(undo(done.authenticated_group_id)) == Refused::in_progress);
  holder.rollback();
  CHECK(undone(undo(done.authenticated_group_id)));
}

TEST_CASE_METHOD(UndoTest, "a member who joins while an undo waits is not thrown out") {
  const auto done = migrated();
  HeldTransaction joining{url};
  joining.exec("INSERT INTO group_memberships (group_id, user_id) VALUES ($1, $2)",
               done.authenticated_group_id.text(), world->add_user().text());
  auto running = std::async(std::launch::async, [&] { return undo(done.authenticated_group_id); });
  REQUIRE(somebody_waits("transactionid"));
  joining.commit();
  CHECK(refused(running.get()) == Refused::group_modified);
  CHECK(world->group_members() == 2);
}

TEST_CASE_METHOD(UndoTest, "an undo works where the audit refers to the group by a foreign key") {
  const char* action =
      GENERATE("", "ON DELETE CASCADE", "ON DELETE SET NULL", "ON DELETE RESTRICT");
  world->sql.exec("ALTER TABLE migration_audit_logs ADD FOREIGN KEY (authenticated_group_id) "
                  "REFERENCES groups (id) " +
                  std::string{action});
  const auto done = migrated(keyed("camping-2025", user, "tap-1", "hash"));
  const auto group = done.authenticated_group_id;
  const auto what = undo_of(group, user);
  REQUIRE(undone(undo(what)));
  nothing_is_left();
  CHECK(undone(new_store()->execute(domain::Settle{what, what->deadline})));
  CHECK(refused(undo(group)) == Refused::already_rolled_back);
  const auto retry = migrate(keyed("camping-2025", user, "tap-1", "hash"));
  REQUIRE(completed(retry));
  CHECK(completed(retry)->authenticated_group_id == group);
  const auto status = new_store()->execute(domain::FindMigration{
      done.migration_id, user, std::nullopt, std::chrono::steady_clock::now()});
  REQUIRE(status.is<domain::MigrationReport>());
  CHECK(status.get<domain::MigrationReport>().result.authenticated_group_id == group);
}

TEST_CASE_METHOD(UndoTest, "an error in the middle of an undo leaves the group as it was") {
  const auto done = migrated(named("camping-2025", user, "Chen Family"));
  world->sql.exec("CREATE FUNCTION test_fail() RETURNS trigger LANGUAGE plpgsql AS "
                  "$$ BEGIN RAISE EXCEPTION 'disk is gone' USING ERRCODE = '58030'; END $$; "
                  "CREATE TRIGGER test_fail BEFORE UPDATE ON migration_audit_logs FOR EACH ROW "
                  "EXECUTE FUNCTION test_fail()");
  CHECK(refused(undo(done.authenticated_group_id)) == Refused::internal);
  CHECK(world->groups() == 1);
  CHECK(world->memberships() == 3);
  CHECK(world->devices_in("chen-family") == 3);
  CHECK(world->audits("success") == 1);
}

TEST_CASE_METHOD(UndoTest, "an undo's COMMIT that broke and did not commit is told as it was") {
  const auto done = migrated();
  kill_at_commit(*world);
  CHECK(refused(undo(done.authenticated_group_id)) == Refused::database_unavailable);
  CHECK(world->groups() == 1);
  world->sql.exec("DROP TRIGGER test_kill ON migration_audit_logs");
  CHECK(undone(undo(done.authenticated_group_id)));
}

TEST_CASE_METHOD(UndoTest, "an undo in doubt is found by its own id, never by another's") {
  const auto done = migrated();
  const auto what = undo_of(done.authenticated_group_id, user);
  REQUIRE(undone(undo(what)));
  const auto answer = new_store()->execute(domain::Settle{what, what->deadline});
  REQUIRE(undone(answer));
  CHECK(undone(answer)->device_ids == devices);
  const auto other = undo_of(done.authenticated_group_id, user);
  CHECK(refused(new_store()->execute(domain::Settle{other, other->deadline})) ==
        Refused::database_unavailable);
}

TEST_CASE_METHOD(UndoTest, "doubt about an undo is not resolved while its backend may commit") {
  const auto done = migrated();
  const auto what = undo_of(done.authenticated_group_id, user);
  HeldTransaction old{url};
  CHECK(old.exec("SELECT outcome FROM regroup_undo_v1($1, $2, $3, 'camping-2025', 1000000, NULL)",
                 what->undo_id.text(), done.authenticated_group_id.text(), user.text())
            .at(0)
            .at(0)
            .as<std::string>() == "rolled_back");
  auto resolving = std::async(std::launch::async, [&] {
    return new_store()->execute(domain::Settle{what, what->deadline});
  });
  REQUIRE(somebody_waits("advisory"));
  old.commit();
  CHECK(undone(resolving.get()));
}

TEST_CASE_METHOD(UndoTest, "the group that is undone is found by its registration group") {
  const auto done = migrated();
  auto asker = user;
  const auto origin = [&](const Uuid& group) {
    return new_store()->execute(domain::FindOrigin{group, asker, std::chrono::steady_clock::now()});
  };
  const auto is_camping = [&] {
    const auto found = origin(done.authenticated_group_id);
    const auto* group = found.get_if<domain::GroupOrigin>();
    return group && group->registration_group_id == "camping-2025";
  };
  CHECK(is_camping());
  REQUIRE(undone(undo(done.authenticated_group_id)));
  CHECK(is_camping());
  CHECK(refused(origin(Uuid::random())) == Refused::not_found);
  asker = world->add_user(false);
  CHECK(refused(origin(done.authenticated_group_id)) == Refused::unauthorized);
}
