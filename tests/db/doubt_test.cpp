// Guarantee 8: a connection that breaks exactly between COMMIT and its answer.
#include "tests/db/support.hpp"
#include "tests/support/commit_cutter.hpp"

#include <catch2/catch.hpp>

using namespace regroup;
using namespace regroup::test;
using domain::Refused;
using Prepared = config::Settings::Database::Prepared;

namespace {

/// A store whose connection goes through a proxy that can cut it.
class DoubtTest : public DatabaseTest {
public:
  DoubtTest() : DatabaseTest(tcp_postgres()), cutter(tcp_postgres().tcp_port()) {
    const auto name = world->sql.value<std::string>("SELECT current_database()");
    settings.url = "host=127.0.0.1 port=" + std::to_string(cutter.port()) + " dbname=" + name +
                   " user=postgres sslmode=disable gssencmode=disable";
    user = world->add_user();
    devices = world->add_devices("camping-2025", 3, user);
    store = open_store();
  }

  domain::Answer ask(const domain::Job& job) { return run(*store, job); }

  CommitCutter cutter;
  domain::Uuid user;
  std::vector<domain::Uuid> devices;
  std::unique_ptr<TestStore> store;

private:
  static Postgres& tcp_postgres() {
    static Postgres server{{{}, false, true}};
    return server;
  }
};

} // namespace

TEST_CASE_METHOD(DoubtTest, "a success costs one round trip from BEGIN to COMMIT") {
  settings.prepared_statements = GENERATE(Prepared::never, Prepared::when_ours);
  store = open_store();
  const int before = cutter.trips();
  REQUIRE(completed(ask(command("camping-2025", user))));
  CHECK(cutter.trips() == before + 1);
  world->add_devices("camping-2026", 3, user);
  REQUIRE(completed(ask(command("camping-2026", user))));
  CHECK(cutter.trips() == before + 2);
}

TEST_CASE_METHOD(DoubtTest, "a COMMIT whose answer is lost is the 201 that was earned") {
  settings.prepared_statements = GENERATE(Prepared::never, Prepared::when_ours);
  store = open_store();
  cutter.cut_next(CommitCutter::Cut::after_commit);
  const auto what = command("camping-2025", user);
  const auto answer = ask(what);
  REQUIRE(cutter.cuts() == 1);
  REQUIRE(completed(answer));
  CHECK(completed(answer)->migration_id == what->migration_id);
  CHECK(completed(answer)->device_ids == devices);
  CHECK(world->groups() == 1);
  CHECK(world->audits("success") == 1);
  CHECK(world->audits("failed") == 0);
}

TEST_CASE_METHOD(DoubtTest,
                 "a COMMIT that never arrived has changed nothing, and is not sent again") {
  cutter.cut_next(CommitCutter::Cut::before_commit);
  CHECK(refused(ask(command("camping-2025", user))) == Refused::database_unavailable);
  REQUIRE(cutter.cuts() == 1);
  CHECK(world->groups() == 0);
  CHECK(world->devices_in("camping-2025") == 3);
  CHECK(world->audits("failed") == 1);
  CHECK(completed(ask(command("camping-2025", user))));
}

TEST_CASE_METHOD(DoubtTest, "the lost answer of a keyed migration is replayed to its retry") {
  cutter.cut_next(CommitCutter::Cut::after_commit);
  const auto first = ask(keyed("camping-2025", user, "tap", "hash"));
  REQUIRE(completed(first));
  const auto retry = ask(keyed("camping-2025", user, "tap", "hash"));
  REQUIRE(completed(retry));
  CHECK(completed(retry)->replayed);
  CHECK(completed(retry)->migration_id == completed(first)->migration_id);
}
