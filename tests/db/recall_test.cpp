// What is on record of a registration group that was migrated, for everybody who asks again.
#include "tests/db/support.hpp"

#include <catch2/catch.hpp>

using namespace regroup;
using namespace regroup::test;
using domain::Refused;
using domain::Uuid;

namespace {

class RecallTest : public DatabaseTest {
public:
  std::vector<domain::Refusal> recall(const std::string& group, std::vector<Uuid> users) {
    const domain::RecallMigration query{
        group, std::move(users), std::chrono::steady_clock::now() + std::chrono::seconds{30}};
    return run(*open_store(), query).get<domain::MigrationRecalled>().answers;
  }

  Uuid owner = world->add_user();
};

} // namespace

TEST_CASE_METHOD(RecallTest, "the record tells each asker what concerns them, in their order") {
  const auto stranger = world->add_user();
  const auto gone = world->add_user(false);
  const auto linked = world->add_user();
  const auto devices = world->add_devices("camping-2025", 3, owner);
  world->sql.exec("UPDATE devices SET owner_user_id = $1 WHERE device_id = $2", linked.text(),
                  devices[1].text());
  const auto answer = migrate(command("camping-2025", owner));
  const auto* done = completed(answer);
  REQUIRE(done);

  const auto answers =
      recall("camping-2025", {stranger, owner, gone, linked, Uuid::random(), owner});
  REQUIRE(answers.size() == 6);
  CHECK(answers[0].reason == Refused::already_migrated);
  CHECK(answers[0].registration_group_id == "camping-2025");
  CHECK_FALSE(answers[0].migration_id);
  CHECK_FALSE(answers[0].authenticated_group_id);
  for (const std::size_t concerned : {1U, 3U, 5U}) { // a member, and who owns a migrated device
    CHECK(answers[concerned].reason == Refused::already_migrated);
    CHECK(answers[concerned].migration_id == done->migration_id);
    CHECK(answers[concerned].authenticated_group_id == done->authenticated_group_id);
  }
  CHECK(answers[2].reason == Refused::unauthorized);
  CHECK(answers[4].reason == Refused::unauthorized);
}

TEST_CASE_METHOD(RecallTest, "only a full migration that stands is on record") {
  CHECK(recall("nobody-here", {owner}).empty());
  const auto devices = world->add_devices("camping-2025", 3, owner);
  REQUIRE(completed(migrate(command("camping-2025", owner, {devices[0]}))));
  CHECK(recall("camping-2025", {owner}).empty()); // two devices can still be migrated
  world->add_devices("sailing", 1, owner);
  REQUIRE(completed(migrate(command("sailing", owner))));
  CHECK(recall("sailing", {owner}).size() == 1);
  world->sql.exec("UPDATE migration_audit_logs SET status = 'rolled_back' "
                  "WHERE registration_group_id = 'sailing'");
  CHECK(recall("sailing", {owner}).empty());
}

TEST_CASE_METHOD(RecallTest, "the record is read while another session holds the group's locks") {
  world->add_devices("camping-2025", 3, owner);
  REQUIRE(completed(migrate(command("camping-2025", owner))));
  HeldTransaction other{url};
  other.exec("SELECT pg_advisory_xact_lock(regroup_lock_key('camping-2025')), "
             "pg_advisory_xact_lock(regroup_members_key('camping-2025'))");
  other.exec("SELECT FROM devices FOR UPDATE");
  CHECK(recall("camping-2025", {owner}).size() == 1);
}
