// What the audit tells of a migration beside its outcome: whose trace it was, and where its time
// went.
#include "tests/db/support.hpp"

#include <catch2/catch.hpp>

using namespace regroup;
using namespace regroup::test;
using namespace std::chrono_literals;
using domain::Refused;
using domain::Uuid;

namespace {

constexpr const char* kTrace = "4bf92f3577b34da6a3ce929d0e0e4736";

class TraceTest : public DatabaseTest {
public:
  TraceTest() : user(world->add_user()) { world->add_devices("camping-2025", 3, user); }

  /// Received `age` ago, with a trace, and followed.
  domain::MigrationPtr traced(std::chrono::milliseconds age = 0ms,
                              const std::string& group = "camping-2025") {
    auto what = *command(group, user);
    what.trace_id = kTrace;
    what.received -= age;
    what.progress = std::make_shared<domain::MigrationProgress>();
    return std::make_shared<const domain::MigrationCommand>(std::move(what));
  }

  bool row(const domain::MigrationPtr& what, const std::string& condition) {
    return world->sql.value<bool>("SELECT coalesce(" + condition +
                                      ", false) FROM migration_audit_logs WHERE id = $1",
                                  what->migration_id.text());
  }
  bool row_has_trace(const domain::MigrationPtr& what) {
    return row(what, std::string{"trace_id = '"} + kTrace + "'");
  }

  Uuid user;
};

} // namespace

TEST_CASE_METHOD(TraceTest, "a migration's row has its trace, and its times in their order") {
  const auto what = traced(700ms);
  REQUIRE(completed(migrate(what)));
  CHECK(row_has_trace(what));
  CHECK(row(what, "received_at < started_at AND started_at <= created_at "
                  "AND created_at < locked_at AND locked_at <= clock_timestamp()"));
  // All by one clock: what was queued for 700 ms is told so, whatever the replica's clock says.
  CHECK(row(what, "received_at + interval '700 ms' <= started_at"));
}

TEST_CASE_METHOD(TraceTest, "a migration's progress tells where its time went") {
  const auto what = traced(700ms);
  CHECK_FALSE(what->progress->has_run());
  REQUIRE(completed(migrate(what)));
  CHECK(what->progress->has_run());
  CHECK(what->progress->queue_us >= 700000);
  CHECK(what->progress->lock_us > 0);
  CHECK(what->progress->lock_us < what->progress->database_us);
  // The row tells the same, but for what is less than a microsecond.
  CHECK(row(what, "abs(date_part('epoch', started_at - received_at) * 1000000 - " +
                      std::to_string(what->progress->queue_us) + ") <= 1"));
}

TEST_CASE_METHOD(TraceTest,
                 "the time that a migration waits for its devices is told as the lock's") {
  HeldTransaction other{url};
  other.exec("SELECT FROM devices FOR UPDATE");
  const auto what = traced();
  auto migration = migrate_meanwhile(what);
  REQUIRE(somebody_waits("transactionid"));
  const auto waits_since = world->sql.value<std::string>("SELECT clock_timestamp()::text");
  other.rollback();
  REQUIRE(completed(migration.get()));
  CHECK(row(what, "locked_at > '" + waits_since + "'"));
  CHECK(row(what, "created_at < '" + waits_since + "'"));
}

TEST_CASE_METHOD(TraceTest, "what is refused before its devices are locked has no time of a lock") {
  const auto first = traced();
  REQUIRE(completed(migrate(first)));
  const auto second = traced();
  CHECK(refused(migrate(second)) == Refused::already_migrated);
  CHECK(second->progress->has_run());
  CHECK(second->progress->lock_us < 0);
  CHECK(second->progress->database_us >= 0);

  world->add_devices("lake", 3, world->add_user());
  const auto third = traced(0ms, "lake");
  CHECK(refused(migrate(third)) == Refused::not_device_owner);
  CHECK(third->progress->lock_us < 0); // nobody locks for what a look refuses
}

TEST_CASE_METHOD(TraceTest, "a large migration and a partial one have all of it too") {
  auto partial = *traced();
  partial.device_ids = world->add_devices("camping-2025", 1, user);
  const auto part = std::make_shared<const domain::MigrationCommand>(partial);
  REQUIRE(completed(migrate(part)));
  CHECK(row_has_trace(part));
  CHECK(row(part, "received_at <= started_at AND started_at < locked_at"));

  world->add_devices("city", 1, user);
  world->sql.exec("INSERT INTO devices (device_id, display_name, group_id, platform) SELECT "
                  "gen_random_uuid(), 'phone', 'city', 'android' FROM generate_series(1, 1500)");
  auto large = *traced(0ms, "city");
  large.max_devices = 5000;
  const auto city = std::make_shared<const domain::MigrationCommand>(large);
  REQUIRE(completed(migrate(city)));
  CHECK(row_has_trace(city));
  CHECK(row(city, "received_at <= started_at AND started_at < locked_at"));
}

TEST_CASE_METHOD(TraceTest,
                 "the row of a migration that failed has its trace, and what was reached") {
  world->raise_at_device(1);
  const auto what = traced(700ms);
  CHECK(refused(migrate(what)) == Refused::internal);
  CHECK(row(what, "status = 'failed'"));
  CHECK(row_has_trace(what));
  CHECK(row(what, "received_at + interval '700 ms' <= started_at AND started_at < created_at"));
  CHECK(row(what, "locked_at IS NULL"));
}

TEST_CASE_METHOD(TraceTest,
                 "a refusal after a 202 has its trace, and so has what a dead replica left") {
  const auto soon = std::chrono::steady_clock::now() + 30s;
  const auto refusal = traced(700ms);
  new_store()->execute(domain::NoteRunning{refusal, soon});
  new_store()->execute(domain::EndRunning{refusal, "validation/no-devices", "No", soon});
  CHECK(row_has_trace(refusal));
  CHECK(row(refusal, "received_at + interval '700 ms' <= created_at"));
  CHECK(row(refusal, "started_at IS NULL")); // no worker took it up

  const auto left = traced(700ms);
  new_store()->execute(domain::NoteRunning{left, soon});
  world->sql.exec("UPDATE regroup_running SET told_at = now() - interval '11 seconds'");
  new_store()->execute(domain::FindMigration{left->migration_id, user, std::nullopt, soon});
  CHECK(row(left, "status = 'failed'"));
  CHECK(row_has_trace(left));
  CHECK(row(left, "received_at + interval '700 ms' <= created_at"));
}

TEST_CASE_METHOD(TraceTest, "what was undone has the trace of its migration and of its undo") {
  const auto what = traced();
  const auto done = migrate(what);
  REQUIRE(completed(done));
  auto undo = undo_of(*completed(done), user, "camping-2025");
  undo.trace_id = "0123456789abcdef0123456789abcdef";
  const auto answer = new_store()->execute(std::make_shared<const domain::UndoCommand>(undo));
  REQUIRE(answer.is<domain::MigrationUndone>());
  CHECK(row(what, "status = 'rolled_back'"));
  CHECK(row_has_trace(what));
  CHECK(row(what, "rollback_trace_id = '0123456789abcdef0123456789abcdef'"));
}

TEST_CASE_METHOD(TraceTest, "PostgreSQL's own log has a migration's trace beside its statement") {
  // The tests' server logs every statement with its parameters.
  const auto before = postgres().log().size();
  REQUIRE(completed(migrate(traced())));
  CHECK(eventually([&] { return postgres().log().find(kTrace, before) != std::string::npos; }));
}

TEST_CASE_METHOD(TraceTest, "a migration without a trace has none on record") {
  const auto what = command("camping-2025", user);
  REQUIRE(completed(migrate(what)));
  CHECK(row(what, "trace_id IS NULL AND rollback_trace_id IS NULL"));
}
