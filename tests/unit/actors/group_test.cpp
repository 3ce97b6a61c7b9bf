#include "support.hpp"

#include <catch2/catch.hpp>

using namespace regroup::test;
using regroup::domain::MigrationPtr;
using regroup::domain::Refused;

namespace {

/// A directory whose dispatcher keeps every migration until the test lets it go.
class GroupTest : public ActorTest {
public:
  GroupTest() : to(spawn_held(system)) {
    workers.push_back(to); // so that it is stopped with the others
    spawn_directory(to);
  }
  std::size_t asked() { return held_by(to).jobs.size(); }
  ReplyPtr migrated(const std::string& group) {
    auto reply = migrate(group);
    run();
    answer(to, completed());
    return reply;
  }

  HeldActor to;
};

} // namespace

TEST_CASE_METHOD(GroupTest, "while a migration runs every other one of its group is refused") {
  auto first = migrate("camping");
  run();
  auto second = migrate("camping");
  auto third = migrate("camping");
  run();
  for (const auto& other : {second, third}) {
    REQUIRE(other->refused(Refused::in_progress));
    CHECK(other->refusal().registration_group_id == "camping");
    CHECK_FALSE(other->refusal().migration_id);
  }
  CHECK(asked() == 1);
  CHECK_FALSE(first->answer);
  answer(to, completed());
  CHECK(first->completed());
}

TEST_CASE_METHOD(GroupTest, "after an outcome, good or bad, the next migration is run") {
  auto first = migrate("camping");
  run();
  answer(to, refusal(Refused::database_unavailable));
  CHECK(first->refused(Refused::database_unavailable));
  CHECK(migrated("camping")->completed());
  CHECK(migrated("camping")->completed());
}

TEST_CASE_METHOD(GroupTest, "different groups do not wait for each other") {
  auto camping = migrate("camping");
  auto sailing = migrate("sailing");
  run();
  CHECK(asked() == 2);
  answer(to, completed(), 1);
  CHECK(sailing->completed());
  CHECK_FALSE(camping->answer);
  answer(to, completed());
  CHECK(camping->completed());
}

TEST_CASE_METHOD(GroupTest, "users and partial migrations of a group go through the same actor") {
  auto full = migrate("camping");
  run();
  auto partial = std::make_shared<regroup::domain::MigrationCommand>(*command("camping"));
  partial->user_id = regroup::domain::Uuid::random();
  partial->device_ids = {regroup::domain::Uuid::random()};
  auto refused = migrate(MigrationPtr{partial});
  run();
  CHECK(refused->refused(Refused::in_progress));
  CHECK(directory_state().groups.size() == 1);
  CHECK(directory_state().groups.at("camping").routed == 2);
}

TEST_CASE_METHOD(GroupTest, "a dispatcher that answers with an error leaves the outcome in doubt") {
  auto reply = migrate("camping");
  run();
  const auto migration = std::get<MigrationPtr>(held_by(to).jobs.at(0));
  caf::anon_send(to, fail_atom::value);
  run();
  REQUIRE(reply->refused(Refused::timeout));
  CHECK(reply->refusal().migration_id == migration->migration_id);
  CHECK(migrated("camping")->completed()); // and the group is not refused for good
}

TEST_CASE_METHOD(GroupTest, "a dispatcher that ends without a word leaves the outcome in doubt") {
  auto reply = migrate("camping");
  run();
  const auto migration = std::get<MigrationPtr>(held_by(to).jobs.at(0));
  caf::anon_send(to, leave_atom::value);
  run();
  REQUIRE(reply->refused(Refused::timeout));
  CHECK(reply->refusal().migration_id == migration->migration_id);
  auto next = migrate("camping"); // nobody can run it; it is answered all the same
  run();
  CHECK(next->refused(Refused::timeout));
}

TEST_CASE_METHOD(GroupTest, "a group that is told to exit answers its open request as in doubt") {
  auto reply = migrate("camping");
  run();
  const auto migration = std::get<MigrationPtr>(held_by(to).jobs.at(0));
  end(group("camping").address(), caf::exit_reason::unhandled_exception);
  REQUIRE(reply->refused(Refused::timeout));
  CHECK(reply->refusal().migration_id == migration->migration_id);
  CHECK(directory_state().groups.empty());
}

TEST_CASE_METHOD(GroupTest,
                 "a group that crashed is forgotten and the next request gets a new one") {
  migrated("camping");
  migrated("sailing");
  const auto crashed = group("camping");
  end(crashed.address(), caf::exit_reason::kill);
  CHECK(directory_state().groups.count("camping") == 0);
  CHECK(directory_state().names.size() == 1);
  CHECK(migrated("camping")->completed());
  CHECK(group("camping") != crashed);
}
