// When a session's statements are planned once, under names, and its limits set once: if its
// backend serves nobody else.
#include "tests/db/support.hpp"
#include "tests/support/pgbouncer.hpp"
#include "tests/support/sql.hpp"

#include <catch2/catch.hpp>

using namespace regroup;
using namespace regroup::test;
using Prepared = config::Settings::Database::Prepared;

namespace {

/// A server whose log has every statement, with the name under which it was prepared.
struct PreparedTest : DatabaseTest {
  PreparedTest() : DatabaseTest(server()), user(world->add_user()) {
    world->add_devices("camping-2025", 3, user);
    world->add_devices("lake", 3, user);
  }
  static Postgres& server() {
    static Postgres own{{.settings = {{"log_statement", "all"}}, .tcp = true}};
    return own;
  }
  /// What the server logs of a migration of the group, which must complete.
  std::string log_of(TestStore& store, const std::string& group) {
    const auto before = server().log().size();
    REQUIRE(completed(store.execute(command(group, user))));
    return server().log().substr(before);
  }

  domain::Uuid user;
};

bool holds(const std::string& log, const std::string& text) {
  return log.find(text) != std::string::npos;
}

} // namespace

TEST_CASE_METHOD(PreparedTest, "a session of our own has named statements, and its limits once") {
  const auto store = open_store();
  const auto logged = log_of(*store, "camping-2025");
  CHECK(holds(logged, "execute regroup_migrate: "));
  CHECK_FALSE(holds(logged, "set_config('lock_timeout'"));
  settings.prepared_statements = Prepared::never;
  const auto plain = open_store();
  const auto unnamed = log_of(*plain, "lake");
  CHECK(holds(unnamed, "execute <unnamed>: SELECT"));
  CHECK_FALSE(holds(unnamed, "execute regroup_migrate: "));
  CHECK_FALSE(holds(unnamed, "set_config('lock_timeout'"));
}

TEST_CASE_METHOD(PreparedTest, "behind a pooler nothing outlives a transaction") {
  const Pgbouncer pooler{server(), "transaction", Pgbouncer::without_prepared_statements()};
  settings.url = pooler.url(name_of_database(url));
  const auto store = open_store();
  const auto logged = log_of(*store, "camping-2025");
  CHECK_FALSE(holds(logged, "execute regroup_"));
  CHECK(holds(logged, "set_config('lock_timeout', $1, true)"));
}

TEST_CASE_METHOD(PreparedTest, "a pooler that shows itself later costs one retry, and no answer") {
  const Pgbouncer pooler{server(), "transaction", Pgbouncer::without_prepared_statements()};
  settings.url = pooler.url(name_of_database(url));
  settings.prepared_statements = Prepared::always;
  const auto store = open_store();
  CHECK(holds(log_of(*store, "camping-2025"), "execute regroup_migrate: "));
  HeldTransaction other{settings.url};
  other.exec("SELECT 1"); // on the backend that knows our statements
  const auto logged = log_of(*store, "lake");
  CHECK(holds(logged, R"(prepared statement "regroup_begin" does not exist)"));
  CHECK(holds(logged, "execute <unnamed>: BEGIN"));
}
