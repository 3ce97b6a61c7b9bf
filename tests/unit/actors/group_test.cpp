#include "support.hpp"

#include <catch2/catch.hpp>

#include <utility>
#include <vector>

using namespace regroup::test;
using regroup::domain::Job;
using regroup::domain::MigrationCommand;
using regroup::domain::MigrationPtr;
using regroup::domain::RecallMigration;
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
  const auto migration = held_by(to).jobs.at(0).shared<MigrationCommand>();
  caf::anon_send(to, fail_atom::value);
  run();
  REQUIRE(reply->refused(Refused::timeout));
  CHECK(reply->refusal().migration_id == migration->migration_id);
  CHECK(migrated("camping")->completed()); // and the group is not refused for good
}

TEST_CASE_METHOD(GroupTest, "a dispatcher that ends without a word leaves the outcome in doubt") {
  auto reply = migrate("camping");
  run();
  const auto migration = held_by(to).jobs.at(0).shared<MigrationCommand>();
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
  const auto migration = held_by(to).jobs.at(0).shared<MigrationCommand>();
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

namespace {

/// A group that has just been migrated.
class MigratedTest : public GroupTest {
public:
  MigratedTest() { migrated("camping"); }

  std::vector<ReplyPtr> ask(std::size_t count) {
    std::vector<ReplyPtr> replies(count);
    for (auto& reply : replies)
      reply = migrate("camping");
    run();
    return replies;
  }
  const Job& job(std::size_t which = 0) { return held_by(to).jobs.at(which); }
  std::size_t askers() { return job().get<RecallMigration>().users.size(); }
  bool runs_migration() { return job().is<MigrationCommand>(); }
};

} // namespace

TEST_CASE_METHOD(MigratedTest, "of a migrated group nobody is told that a migration is under way") {
  const auto first = ask(1);
  const auto others = ask(3);
  REQUIRE(asked() == 1); // one read at a time
  CHECK(askers() == 1);
  for (const auto& reply : others)
    CHECK_FALSE(reply->answer);
  answer(to, recalled(job()));
  CHECK(first[0]->refused(Refused::already_migrated));
  for (const auto& reply : others)
    CHECK_FALSE(reply->answer); // the read that has ended began before they asked
  REQUIRE(asked() == 1);
  CHECK(askers() == 3);
  answer(to, recalled(job()));
  for (const auto& reply : others)
    CHECK(reply->refused(Refused::already_migrated));
  CHECK(asked() == 0);
}

TEST_CASE_METHOD(MigratedTest, "everybody gets the answer that was found for them") {
  const auto held = ask(1);
  std::vector<std::pair<MigrationPtr, ReplyPtr>> asked_by;
  for (int i = 0; i < 3; ++i) {
    const auto what = command("camping");
    asked_by.emplace_back(what, migrate(what));
  }
  run();
  answer(to, recalled(job()));
  answer(to, recalled(job()));
  for (const auto& [what, reply] : asked_by) {
    REQUIRE(reply->refused(Refused::already_migrated));
    CHECK(reply->refusal().migration_id == what->user_id);
  }
}

TEST_CASE_METHOD(MigratedTest, "a migration that was undone elsewhere is run again") {
  const auto first = ask(1);
  const auto others = ask(2);
  answer(to, nothing_recalled());
  REQUIRE(asked() == 1);
  CHECK(runs_migration());
  CHECK_FALSE(first[0]->answer);
  for (const auto& reply : others)
    CHECK(reply->refused(Refused::in_progress)); // now that is true
  answer(to, completed());
  CHECK(first[0]->completed());
  ask(1);
  CHECK(askers() == 1);
  answer(to, recalled(job()));
}

TEST_CASE_METHOD(MigratedTest, "a read that fails is told to those who asked, and the next tries") {
  const auto first = ask(2);
  answer(to, refusal(Refused::database_unavailable));
  CHECK(first[0]->refused(Refused::database_unavailable));
  CHECK_FALSE(first[1]->answer);
  caf::anon_send(to, fail_atom::value);
  run();
  CHECK(first[1]->refused(Refused::database_unavailable)); // a read changes nothing
  const auto next = ask(1);
  answer(to, recalled(job()));
  CHECK(next[0]->refused(Refused::already_migrated));
}

TEST_CASE_METHOD(MigratedTest, "a read that takes too long leaves no migration in doubt") {
  const auto first = ask(1);
  answer(to, refusal(Refused::timeout)); // a 504 would promise an id to ask about
  CHECK(first[0]->refused(Refused::database_unavailable));
}

TEST_CASE_METHOD(MigratedTest, "a retry with a key is answered by a migration's own transaction") {
  auto retry = std::make_shared<regroup::domain::MigrationCommand>(*command("camping"));
  retry->idempotency = {"key", "hash"};
  const auto reply = migrate(MigrationPtr{retry});
  run();
  CHECK(runs_migration());
  const auto other = ask(1); // meanwhile nobody migrates
  answer(to, recalled(job(1)), 1);
  CHECK(other[0]->refused(Refused::already_migrated));
  answer(to, completed());
  CHECK(reply->completed());
}

TEST_CASE_METHOD(
    GroupTest, "that a migration is on record is learnt from a refusal, unless it tells of parts") {
  for (const bool in_parts : {true, false}) {
    migrate("camping");
    run();
    REQUIRE(held_by(to).jobs.at(0).is<MigrationCommand>());
    answer(to, regroup::domain::Refusal{.reason = Refused::already_migrated,
                                        .migrated_in_parts = in_parts});
  }
  migrate("camping");
  run();
  CHECK(held_by(to).jobs.at(0).is<RecallMigration>());
}

TEST_CASE_METHOD(GroupTest, "a partial migration that committed leaves the rest to be migrated") {
  auto partial = std::make_shared<regroup::domain::MigrationCommand>(*command("camping"));
  partial->device_ids = {regroup::domain::Uuid::random()};
  migrate(MigrationPtr{partial});
  run();
  answer(to, completed());
  migrate("camping");
  run();
  CHECK(held_by(to).jobs.at(0).is<MigrationCommand>());
}

TEST_CASE_METHOD(MigratedTest, "a read answers so many at most, and the next read the others") {
  ask(1);
  const auto replies = ask(regroup::actors::most_recalled + 1);
  answer(to, recalled(job()));
  CHECK(askers() == regroup::actors::most_recalled);
  answer(to, recalled(job()));
  CHECK(askers() == 1);
  answer(to, recalled(job()));
  for (const auto& reply : replies)
    REQUIRE(reply->refused(Refused::already_migrated));
}

TEST_CASE_METHOD(MigratedTest, "a group that is told to exit answers those who wait for a read") {
  const auto replies = ask(2);
  end(group("camping").address(), caf::exit_reason::unhandled_exception);
  for (const auto& reply : replies)
    CHECK(reply->refused(Refused::database_unavailable));
}

TEST_CASE_METHOD(GroupTest, "an undo and a migration of one group never run together") {
  auto migration = migrate("camping");
  run();
  auto undo_meanwhile = undo("camping");
  run();
  REQUIRE(undo_meanwhile->refused(Refused::in_progress));
  CHECK(undo_meanwhile->refusal().registration_group_id == "camping");
  CHECK(asked() == 1);
  answer(to, refusal(Refused::database_unavailable));

  auto undoing = undo("camping");
  run();
  auto migrate_meanwhile = migrate("camping");
  auto second_undo = undo("camping");
  auto elsewhere = undo("sailing");
  run();
  CHECK(migrate_meanwhile->refused(Refused::in_progress));
  CHECK(second_undo->refused(Refused::in_progress));
  CHECK_FALSE(elsewhere->answer);
  CHECK(asked() == 2);
  answer(to, undone());
  REQUIRE(undoing->answer);
  CHECK(undoing->answer->is<regroup::domain::MigrationUndone>());
}

TEST_CASE_METHOD(MigratedTest, "what was undone here is migrated again, not read from the record") {
  auto undoing = undo("camping");
  run();
  // Nobody knows yet how it ends: the record does.
  const auto meanwhile = ask(1);
  REQUIRE(asked() == 2);
  CHECK(job(1).is<RecallMigration>());
  answer(to, recalled(job(1)), 1);
  CHECK(meanwhile[0]->refused(Refused::already_migrated));
  answer(to, undone());
  auto again = migrate("camping");
  run();
  CHECK(runs_migration());
}

TEST_CASE_METHOD(GroupTest, "an undo whose worker and group are gone is in doubt") {
  auto lost = undo("camping");
  run();
  caf::anon_send(to, fail_atom::value);
  run();
  CHECK(lost->refused(Refused::timeout));
  auto open = undo("camping");
  run();
  end(group("camping").address(), caf::exit_reason::unhandled_exception);
  CHECK(open->refused(Refused::timeout));
}

TEST_CASE_METHOD(GroupTest,
                 "an undo that comes while its group's actor ends goes to the next one") {
  migrated("camping");
  const auto first = group("camping");
  pass(31s);
  run();
  auto undoing = undo("camping");
  run();
  CHECK(group("camping") != first);
  CHECK(asked() == 1);
}
