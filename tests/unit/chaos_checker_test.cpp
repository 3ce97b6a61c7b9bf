// The judge of the fault harness, fed with histories that it must condemn.
#include "tests/service/chaos/checker.hpp"

#include <catch2/catch.hpp>

using namespace regroup::chaos;

namespace {

using Kind = Request::Kind;

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
    rows.audits = {migration("m1", "ann", "g1", "t1", 10.2)};
  }

  static Rows::Audit migration(const std::string& id, const std::string& user,
                               const std::string& group, const std::string& trace, Seconds began) {
    Rows::Audit audit;
    audit.id = id;
    audit.user = user;
    audit.registration_group = "camping";
    audit.authenticated_group = group;
    audit.status = "success";
    audit.devices = {"d1", "d2"};
    audit.began = began;
    audit.trace = trace;
    return audit;
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

  /// The first request has the trace id t1, the next one t2, ...
  Request& ask(const std::string& user, Seconds start, Answer with, Kind kind = Kind::migrate) {
    Request request;
    request.kind = kind;
    request.user = user;
    request.group = "camping";
    request.trace = "t" + std::to_string(history.requests.size() + 1);
    request.replica = "1";
    request.start = start;
    request.end = start + 1;
    request.answer = std::move(with);
    history.requests.push_back(std::move(request));
    return history.requests.back();
  }

  void ask_status(Kind kind, const std::string& id, int status, const std::string& state,
                  Kind about = Kind::migrate) {
    Answer with = answer(status, "", about == Kind::migrate ? id : "");
    with.state = state;
    if (state == "completed" && about == Kind::migrate)
      with.authenticated_group_id = "g" + id.substr(1);
    auto& request = ask("ann", 30, with, kind);
    request.about = about;
    request.id = id;
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

/// Ann has undone her migration by u1 since.
class UndoTest : public CheckerTest {
public:
  UndoTest() {
    auto said = answer(200, "", "m1");
    said.state = "rolled_back";
    ask("ann", 40, said, Kind::undo).authenticated_group = "g1";
    rows.groups.clear();
    rows.members.clear();
    rows.memberships.clear();
    auto& audit = rows.audits.front();
    audit.status = "rolled_back";
    audit.undo_id = "u1";
    audit.undone_group = "g1";
    audit.undone_by = "ann";
    audit.undo_trace = "t4";
    audit.undo_began = 40.1;
    rows.operations = {{"u1", "undo", "completed"}};
  }

  /// As if she had not.
  void forget_undo() {
    rows.groups = {{"g1", "camping"}};
    rows.members = {{"g1", "ann", "owner"}};
    rows.memberships = {{"d1", {"g1"}}, {"d2", {"g1"}}};
    rows.audits = {migration("m1", "ann", "g1", "t1", 10.2)};
    rows.operations.clear();
  }

  Answer& undo() { return history.requests.at(3).answer; }
};

/// Ann has taken a device out of her group since, by the change c1.
class ChangeTest : public CheckerTest {
public:
  ChangeTest() {
    change(40, answer(200, ""));
    rows.memberships.erase("d2");
    rows.changes = {{"c1", "ann", "g1", "remove", {"d2"}, 40.1}};
    rows.operations = {{"c1", "device_change", "completed"}};
  }

  void change(Seconds start, Answer with) {
    auto& request = ask("ann", start, std::move(with), Kind::change);
    request.authenticated_group = "g1";
    request.action = "remove";
    request.devices = {"d2"};
  }

  /// As if she had not.
  void forget_change() {
    rows.memberships["d2"] = {"g1"};
    rows.changes.clear();
    rows.operations.clear();
  }

  Answer& changed() { return history.requests.at(3).answer; }
};

Answer with_operation(Answer answer, const std::string& id) {
  answer.operation_id = id;
  return answer;
}

} // namespace

TEST_CASE_METHOD(CheckerTest, "a history that the database agrees with is clean") {
  CHECK(verdict().clean());
  CHECK(doubtful(history, rows).all() == 0);
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
  SECTION("two audit rows") { rows.audits.push_back(migration("m2", "bob", "g2", "t2", 10.3)); }
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
  ann() = answer(503, "server/database-unavailable");
  ask("ann", 11, answer(201, "", "m1"));
  rows.audits.front().trace = "t4";
  CHECK(verdict().clean());
}

TEST_CASE_METHOD(CheckerTest, "no answer, 202 and 504 may have committed: the caller is in doubt") {
  SECTION("no answer") { ann() = answer(0, ""); }
  SECTION("202") { ann() = answer(202, "", "m1"); }
  SECTION("504") { ann() = answer(504, "server/timeout", "m1"); }
  CHECK(verdict().clean());
  CHECK(doubtful(history, rows).migrations == 1);
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

TEST_CASE_METHOD(CheckerTest, "a last question that was not answered in time may be asked again") {
  ann() = answer(504, "server/timeout", "m1");
  ask_status(Kind::last_status, "m1", 504, "");
  CHECK(verdict().untrue.size() == 1);
  ask_status(Kind::last_status, "m1", 200, "completed");
  CHECK(verdict().clean());
}

TEST_CASE_METHOD(CheckerTest, "a status of what did not commit is failed in the end") {
  ann() = answer(504, "server/timeout", "m0");
  ask("ann", 10.1, answer(201, "", "m1"));
  rows.audits.front().trace = "t4";
  SECTION("failed") {
    ask_status(Kind::last_status, "m0", 200, "failed");
    CHECK(verdict().clean());
  }
  SECTION("not found: an id that a caller was given becomes final") {
    ask_status(Kind::status, "m0", 404, "");
    CHECK(verdict().clean());
    ask_status(Kind::last_status, "m0", 404, "");
    CHECK(verdict().untrue.size() == 1);
  }
}

TEST_CASE_METHOD(CheckerTest, "what commits by another id than its caller was given is untrue") {
  ann() = answer(504, "server/timeout", "m0");
  CHECK(verdict().untrue.size() == 1);
}

TEST_CASE_METHOD(CheckerTest, "a 504 without an id is untrue") {
  ann() = answer(504, "server/timeout");
  CHECK(verdict().untrue.size() == 1);
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

TEST_CASE_METHOD(UndoTest, "an undo that the database agrees with is clean") {
  CHECK(verdict().clean());
  ask_status(Kind::last_status, "m1", 200, "rolled_back");
  ask_status(Kind::last_status, "u1", 200, "completed", Kind::undo);
  CHECK(verdict().clean());
  CHECK(doubtful(history, rows).all() == 0);
}

TEST_CASE_METHOD(UndoTest, "an undo that the database does not have is lost") {
  forget_undo();
  CHECK(verdict().lost.size() == 1);
  undo() = with_operation(answer(504, "server/timeout"), "u1");
  CHECK(verdict().lost.empty());
  ask_status(Kind::status, "u1", 200, "completed", Kind::undo);
  CHECK(verdict().lost.size() == 1);
}

TEST_CASE_METHOD(UndoTest, "nothing was changed, said of what was undone, is untrue") {
  for (const auto* code : {"server/database-unavailable", "server/overloaded", "server/internal",
                           "migration/in-progress", "migration/already-rolled-back"}) {
    undo() = answer(503, code);
    INFO(code);
    CHECK(verdict().untrue.size() == 1);
  }
}

TEST_CASE_METHOD(UndoTest, "an undo in doubt says its id, whose word is held against the rows") {
  undo() = with_operation(answer(504, "server/timeout"), "u1");
  CHECK(verdict().clean());
  CHECK(doubtful(history, rows).undos == 1);
  SECTION("of what was done it is completed") {
    ask_status(Kind::last_status, "u1", 200, "failed", Kind::undo);
    CHECK(verdict().untrue.size() == 2);
  }
  SECTION("of what was not done it is failed") {
    rows.audits.front().undo_id = "u2";
    rows.audits.front().undo_trace = "t5";
    rows.operations = {{"u1", "undo", "failed"}, {"u2", "undo", "completed"}};
    ask("ann", 42, answer(200, "", "m1"), Kind::undo).authenticated_group = "g1";
    ask_status(Kind::last_status, "u1", 200, "failed", Kind::undo);
    CHECK(verdict().clean());
    ask_status(Kind::last_status, "u1", 200, "completed", Kind::undo);
    CHECK(verdict().lost.size() == 1);
  }
  SECTION("without one nobody could ask") {
    undo().operation_id.clear();
    CHECK(verdict().untrue.size() == 1);
  }
}

TEST_CASE_METHOD(UndoTest, "an undo that left something is partial") {
  SECTION("the group") { rows.groups = {{"g1", "camping"}}; }
  SECTION("a membership") { rows.memberships["d1"] = {"g1"}; }
  SECTION("a device's group_id") { rows.group_id_of["d2"] = "camping-2"; }
  SECTION("no row of its id") { rows.operations.clear(); }
  SECTION("a fence of its id") { rows.operations.front().status = "failed"; }
  CHECK_FALSE(verdict().partial.empty());
}

TEST_CASE_METHOD(UndoTest, "a migration that is undone by two is a duplicate") {
  ask("ann", 41, answer(200, "", "m1"), Kind::undo).authenticated_group = "g1";
  CHECK(verdict().duplicated.size() == 1);
  history.requests.back().answer.replayed = true;
  CHECK(verdict().clean());
}

TEST_CASE_METHOD(UndoTest, "what was to be undone is not migrated in the end") {
  forget_undo();
  undo() = answer(503, "server/database-unavailable");
  CHECK(verdict().untrue.size() == 1);
}

TEST_CASE_METHOD(ChangeTest, "a change that the database agrees with is clean") {
  CHECK(verdict().clean());
  ask_status(Kind::last_status, "c1", 200, "completed", Kind::change);
  CHECK(verdict().clean());
  CHECK(doubtful(history, rows).all() == 0);
}

TEST_CASE_METHOD(ChangeTest, "a change that the database does not have is lost") {
  forget_change();
  CHECK(verdict().lost.size() == 1);
}

TEST_CASE_METHOD(ChangeTest, "nothing was changed, said of a change that committed, is untrue") {
  for (const auto* code :
       {"server/database-unavailable", "server/internal", "resource/not-found"}) {
    changed() = answer(503, code);
    INFO(code);
    CHECK(verdict().untrue.size() == 1);
  }
}

TEST_CASE_METHOD(ChangeTest, "a change in doubt says its id, whose word is held against the rows") {
  changed() = with_operation(answer(504, "server/timeout"), "c1");
  CHECK(verdict().clean());
  CHECK(doubtful(history, rows).changes == 1);
  SECTION("failed, of what was done") {
    ask_status(Kind::last_status, "c1", 200, "failed", Kind::change);
    CHECK(verdict().untrue.size() == 2);
  }
  SECTION("done by another id, and not asked for again") {
    rows.changes.front().id = "c2";
    rows.operations = {{"c2", "device_change", "completed"}};
    CHECK(verdict().untrue.size() == 1);
  }
  SECTION("done by another id, when it was asked for again") {
    rows.changes.front().id = "c2";
    rows.operations = {{"c1", "device_change", "failed"}, {"c2", "device_change", "completed"}};
    change(45, answer(200, ""));
    CHECK(verdict().clean());
  }
}

TEST_CASE_METHOD(ChangeTest, "a change with some of its effect is partial") {
  SECTION("a membership that is left") { rows.memberships["d2"] = {"g1"}; }
  SECTION("another group_id") { rows.group_id_of["d2"] = "somewhere"; }
  SECTION("no row of its id") { rows.operations.clear(); }
  SECTION("a fence of its id") { rows.operations.front().status = "failed"; }
  CHECK_FALSE(verdict().partial.empty());
}

TEST_CASE_METHOD(ChangeTest, "a change that is done twice is a duplicate") {
  SECTION("by its answers") { change(41, answer(200, "")); }
  SECTION("by its rows") {
    rows.changes.push_back(rows.changes.front());
    rows.changes.back().id = "c2";
  }
  CHECK(verdict().duplicated.size() == 1);
}
