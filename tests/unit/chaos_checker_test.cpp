// The judge of the fault harness, fed with histories that it must condemn.
#include "tests/service/chaos/checker.hpp"

#include <catch2/catch.hpp>

using namespace regroup::chaos;

namespace {

/// Ann and Bob own a device each of `camping`. Ann's request made migration m1 of group g1; Bob was
/// told that it was in progress, and later that it was done.
class CheckerTest {
public:
  CheckerTest() {
    history.devices["camping"] = {"d1", "d2"};
    ask("ann", 10, answer(201, "", "m1"));
    ask("bob", 10.1, answer(409, "migration/in-progress"));
    ask("bob", 20, answer(409, "resource/already-migrated"));
    rows.groups = {{"g1", "camping"}};
    rows.members = {{"g1", "ann", "owner"}};
    rows.memberships = {{"d1", {"g1"}}, {"d2", {"g1"}}};
    rows.group_id_of = {{"d1", "camping"}, {"d2", "camping"}};
    rows.audits = {{"m1", "ann", "camping", "g1", "success", {"d1", "d2"}, 10.2}};
  }

  static Answer answer(int status, std::string code, const std::string& migration = {}) {
    Answer result;
    result.status = status;
    result.code = std::move(code);
    result.migration_id = migration;
    if (status == 201) {
      result.authenticated_group_id = "g" + migration.substr(1);
      result.device_ids = {"d1", "d2"};
    }
    return result;
  }

  void ask(const std::string& user, Seconds start, Answer with) {
    history.requests.push_back(
        {Request::Kind::migrate, user, "camping", "", "", "1", start, start + 1, std::move(with)});
  }

  void ask_status(Request::Kind kind, const std::string& id, int status, const std::string& state) {
    Answer with = answer(status, "", id);
    with.state = state;
    if (state == "completed")
      with.authenticated_group_id = "g" + id.substr(1);
    history.requests.push_back({kind, "ann", "camping", "", id, "1", 30, 31, with});
  }

  /// As if Ann's migration had never been.
  void forget_migration() {
    rows = {};
    rows.group_id_of = {{"d1", "camping"}, {"d2", "camping"}};
  }

  Answer& ann() { return history.requests.front().answer; }
  Verdict verdict() const { return check(history, rows); }

  History history;
  Rows rows;
};

using Kind = Request::Kind;

} // namespace

TEST_CASE_METHOD(CheckerTest, "a history that the database agrees with is clean") {
  CHECK(verdict().clean());
  CHECK(doubtful(history, rows) == 0);
}

TEST_CASE_METHOD(CheckerTest, "a 201 that the database does not have is lost") {
  forget_migration();
  CHECK(verdict().lost.size() == 1);
}

TEST_CASE_METHOD(CheckerTest, "a 201 whose group or membership is not there is lost") {
  SECTION("the group") { rows.groups.clear(); }
  SECTION("a membership") { rows.memberships.erase("d2"); }
  SECTION("it names another group") { ann().authenticated_group_id = "g2"; }
  CHECK(verdict().lost.size() >= 1);
}

TEST_CASE_METHOD(CheckerTest, "a status that said completed of what is not there is lost") {
  ann() = answer(202, "", "m1");
  ask_status(Kind::status, "m1", 200, "completed");
  CHECK(verdict().clean());
  forget_migration();
  CHECK(verdict().lost.size() == 1);
}

TEST_CASE_METHOD(CheckerTest, "two successes of one registration group are a duplicate") {
  rows.groups.push_back({"g2", "camping-2"});
  rows.members.push_back({"g2", "bob", "owner"});
  SECTION("two audit rows") {
    rows.audits.push_back({"m2", "bob", "camping", "g2", "success", {"d1", "d2"}, 10.3});
  }
  SECTION("two 201 of different migrations") { ask("bob", 11, answer(201, "", "m2")); }
  SECTION("a device in two groups") { rows.memberships["d1"].push_back("g2"); }
  CHECK(verdict().duplicated.size() == 1);
}

TEST_CASE_METHOD(CheckerTest, "the same 201 again, by its Idempotency-Key, is no duplicate") {
  ask("ann", 12, answer(201, "", "m1"));
  history.requests.back().answer.replayed = true;
  CHECK(verdict().clean());
}

TEST_CASE_METHOD(CheckerTest, "a group with some of its rows is partial") {
  SECTION("a device without membership") {
    rows.memberships.erase("d2");
    ann().device_ids = {"d1"};
  }
  SECTION("a device with its old group_id") { rows.group_id_of["d2"] = "somewhere"; }
  SECTION("no owner") { rows.members.clear(); }
  SECTION("an owner who did not ask") { rows.members.front().user = "bob"; }
  SECTION("a second member") { rows.members.push_back({"g1", "bob", "member"}); }
  SECTION("an audit row of fewer devices") { rows.audits.front().devices = {"d1"}; }
  CHECK(verdict().partial.size() == 1);
}

TEST_CASE_METHOD(CheckerTest, "rows of a migration that is not on record are partial") {
  rows.audits.clear();
  CHECK(verdict().partial.size() == 3); // the group, and each device
}

TEST_CASE_METHOD(CheckerTest, "nothing was changed, said of what committed, is untrue") {
  for (const auto* code : {"server/database-unavailable", "server/overloaded", "server/internal",
                           "server/shutting-down"}) {
    ann() = answer(503, code);
    INFO(code);
    REQUIRE(verdict().untrue.size() == 1);
    CHECK(verdict().untrue.front().find(code) != std::string::npos);
  }
}

TEST_CASE_METHOD(CheckerTest, "a refusal of the very request that committed is untrue") {
  ann() = answer(409, "resource/already-migrated", "m1");
  CHECK(verdict().untrue.size() == 1);
}

TEST_CASE_METHOD(CheckerTest, "nothing was changed, and a retry that succeeds, is true") {
  history.requests.front().start = 8;
  history.requests.front().end = 8.5;
  ann() = answer(503, "server/database-unavailable");
  ask("ann", 10, answer(201, "", "m1"));
  CHECK(verdict().clean());
}

TEST_CASE_METHOD(CheckerTest, "no answer, 202 and 504 may have committed: the caller is in doubt") {
  SECTION("no answer") { ann() = answer(0, ""); }
  SECTION("202") { ann() = answer(202, "", "m1"); }
  SECTION("504") { ann() = answer(504, "server/timeout", "m1"); }
  CHECK(verdict().clean());
  CHECK(doubtful(history, rows) == 1);
}

TEST_CASE_METHOD(CheckerTest, "already migrated is untrue where no success is in the end") {
  ann() = answer(0, "");
  forget_migration();
  CHECK(verdict().lost.empty());
  CHECK(verdict().untrue.size() == 1);
}

TEST_CASE_METHOD(CheckerTest, "a status is held against the rows") {
  ann() = answer(504, "server/timeout", "m1");
  SECTION("failed, of what committed") { ask_status(Kind::status, "m1", 200, "failed"); }
  SECTION("not found in the end, of what committed") {
    ask_status(Kind::last_status, "m1", 404, "");
  }
  SECTION("in progress in the end") { ask_status(Kind::last_status, "m1", 200, "in_progress"); }
  CHECK(verdict().untrue.size() == 1);
}

TEST_CASE_METHOD(CheckerTest, "a status of what did not commit is failed, or not found") {
  ann() = answer(504, "server/timeout", "m0");
  ask("ann", 10.1, answer(201, "", "m1"));
  SECTION("failed") { ask_status(Kind::last_status, "m0", 200, "failed"); }
  SECTION("not found") { ask_status(Kind::last_status, "m0", 404, ""); }
  CHECK(verdict().clean());
}

TEST_CASE_METHOD(CheckerTest, "a 201 that no standby could have is untrue") {
  history.unpromised.push_back({10.1, 15});
  CHECK(verdict().untrue.size() == 1);
  history.unpromised = {{10.3, 15}}; // it had begun before
  CHECK(verdict().clean());
}

TEST_CASE_METHOD(CheckerTest, "an answer that a caller with a device cannot get is untrue") {
  ask("bob", 21, answer(403, "authz/not-device-owner"));
  CHECK(verdict().untrue.size() == 1);
}

TEST_CASE_METHOD(CheckerTest, "a group that somebody migrated who never asked is untrue") {
  rows.audits.front().user = "eve";
  rows.members.front().user = "eve";
  CHECK(verdict().untrue.size() == 1);
}
