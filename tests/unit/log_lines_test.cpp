// What is logged of a request: one line, and another only where a migration was run for it.
#include "tests/unit/api_support.hpp"

#include <catch2/catch.hpp>

using namespace regroup;
using namespace regroup::http;
using namespace regroup::test;
using namespace std::chrono_literals;
using nlohmann::json;

namespace {

struct LogLinesTest : ApiTest {
  void migrate() {
    api.migrate(request, respond);
    REQUIRE(gateway.command);
  }
  /// As a worker does that runs it.
  void run(std::int64_t lock_us) {
    gateway.command->progress->queue_us = 1500;
    gateway.command->progress->lock_us = lock_us;
    gateway.command->progress->database_us = 4000;
  }
  void end(const http::Gateway::MigrationResult& outcome) {
    gateway.callbacks.done(outcome);
    gateway.callbacks.ended(outcome);
  }
  domain::MigrationCompleted completed() const {
    domain::MigrationCompleted done;
    done.migration_id = gateway.command->migration_id;
    done.device_ids.resize(3);
    return done;
  }
};

} // namespace

TEST_CASE_METHOD(LogLinesTest, "a migration that was run has a line, which tells its durations") {
  migrate();
  CHECK(gateway.command->trace_id == kTrace);
  CHECK(gateway.command->received == request.received);
  run(2500);
  end(completed());
  const auto lines = log.lines("migration");
  REQUIRE(lines.size() == 1);
  CHECK(lines[0]["request_id"] == "r-1");
  CHECK(lines[0]["trace_id"] == kTrace);
  CHECK(lines[0]["migration_id"] == gateway.command->migration_id.text());
  CHECK(lines[0]["user_id"] == user.text());
  CHECK(lines[0]["registration_group_id"] == "camping-2025");
  CHECK(lines[0]["outcome"] == "completed");
  CHECK(lines[0]["devices"] == 3);
  CHECK(lines[0]["queue_ms"] == 1.5);
  CHECK(lines[0]["lock_ms"] == 2.5);
  CHECK(lines[0]["database_ms"] == 4.0);
  CHECK(lines[0]["duration_ms"] >= 50);
}

TEST_CASE_METHOD(LogLinesTest,
                 "a migration that the database refused has a line, and no lock's time") {
  migrate();
  run(-1);
  end(domain::Refusal{domain::Refused::already_migrated});
  const auto lines = log.lines("migration");
  REQUIRE(lines.size() == 1);
  CHECK(lines[0]["outcome"] == "resource/already-migrated");
  CHECK(lines[0].contains("database_ms"));
  CHECK_FALSE(lines[0].contains("lock_ms"));
}

TEST_CASE_METHOD(LogLinesTest, "what was answered from memory or the record ran no migration") {
  for (const auto reason : {domain::Refused::in_progress, domain::Refused::already_migrated,
                            domain::Refused::overloaded}) {
    migrate();
    end(domain::Refusal{reason});
  }
  CHECK(log.lines("migration").empty());
  CHECK(replies.size() == 3);
  CHECK(replies[0].outcome == "migration/in-progress"); // for the request's line
}

TEST_CASE_METHOD(LogLinesTest, "a request's line knows whom and what it was about") {
  migrate();
  run(2500);
  CHECK(request.facts.user_id == user);
  REQUIRE(request.facts.registration_group_id);
  CHECK(*request.facts.registration_group_id == "camping-2025");
  CHECK(request.facts.migration_id == gateway.command->migration_id);

  SECTION("a replay is about the first request's migration") {
    auto done = completed();
    done.migration_id = domain::Uuid::random();
    done.replayed = true;
    end(done);
    CHECK(replies.at(0).outcome == "completed");
    CHECK(request.facts.migration_id == done.migration_id);
  }
  SECTION("a 202 says that it runs; the migration's line comes with its end") {
    gateway.callbacks.still_running();
    CHECK(replies.at(0).outcome == "in_progress");
    CHECK(log.lines("migration").empty());
    gateway.callbacks.ended(completed());
    CHECK(log.lines("migration").size() == 1);
  }
}

TEST_CASE_METHOD(LogLinesTest, "a request's line knows no more than was found out") {
  SECTION("a stranger's") {
    request.authorization = {};
    api.migrate(request, respond);
    CHECK_FALSE(request.facts.user_id);
    CHECK(replies.at(0).outcome == "auth/unauthorized");
  }
  SECTION("one with a bad body") {
    body = "{";
    api.migrate(request, respond);
    CHECK(request.facts.user_id == user);
    CHECK_FALSE(request.facts.registration_group_id);
    CHECK(replies.at(0).outcome == "validation/invalid-json");
  }
  SECTION("a rehearsal, which is about no migration") {
    request.query = "dry_run=true";
    api.migrate(request, respond);
    gateway.asked.at(0)(domain::Answer{domain::MigrationPlan{}});
    CHECK(request.facts.registration_group_id);
    CHECK_FALSE(request.facts.migration_id);
    CHECK(replies.at(0).outcome == "rehearsed");
  }
  CHECK(log.lines("migration").empty());
}

TEST_CASE_METHOD(LogLinesTest, "an undo is about the migration that it undid, and has a line") {
  const auto group = domain::Uuid::random();
  request.has_body = false;
  request.parameters = {group.text()};
  api.undo(request, respond);
  gateway.asked.at(0)(domain::Answer{domain::GroupOrigin{"camping-2025"}});
  const auto undo = gateway.jobs.at(1).shared<domain::UndoCommand>();
  CHECK(undo->trace_id == kTrace);
  domain::MigrationUndone undone;
  undone.migration_id = domain::Uuid::random();
  gateway.asked.at(1)(domain::Answer{undone});
  CHECK(*request.facts.registration_group_id == "camping-2025");
  CHECK(request.facts.migration_id == undone.migration_id);
  CHECK(replies.at(0).outcome == "rolled_back");
  const auto lines = log.lines("undo");
  REQUIRE(lines.size() == 1);
  CHECK(lines[0]["migration_id"] == undone.migration_id.text());
  CHECK(lines[0]["trace_id"] == kTrace);
  CHECK(lines[0]["outcome"] == "rolled_back");
}
