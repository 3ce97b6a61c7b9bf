// The original backend's own statements, written anew, on two copies of its database: one that
// Regroup has adopted, and one that it has never seen. Both answer the same, and hold the same
// rows.
#include "tests/db/adoption_support.hpp"
#include "tests/support/two_copies.hpp"

#include <catch2/catch.hpp>

#include <fstream>
#include <set>

namespace regroup::test {
namespace {

const std::string kAda = "00000000-0000-4000-8000-000000000001";
const std::string kBen = "00000000-0000-4000-8000-000000000002";
const std::string kCyd = "00000000-0000-4000-8000-000000000003";
const std::string kDot = "00000000-0000-4000-8000-000000000004";
const std::string kFamily = "00000000-0000-4000-a000-000000000001";
const std::string kNull = Copy::kNull;

std::string phone(int number) {
  return "00000000-0000-4000-9000-0000000000" + std::to_string(number);
}

using Parameters = std::vector<std::string>;

class Beside {
public:
  Beside()
      : adopted_url{original_backend_database(postgres(), people())},
        theirs{original_backend_database(postgres(), people())}, adopted{adopted_url} {
    settings.url = adopted_url;
    settings.lock_timeout = std::chrono::milliseconds{5000};
    columns = columns_of_theirs();
    db::apply_schema(settings, log);
  }

  /// Runs a statement on both; what it answered on theirs. `differs`: an announced difference.
  std::string both(const std::string& statement, const Parameters& parameters = {},
                   const std::string& name = {}) {
    INFO(statement);
    const auto expected = theirs.run(statement, parameters, name);
    CHECK(adopted.run(statement, parameters, name) == expected);
    return expected;
  }

  /// All rows of all of their tables, in their columns, are the same.
  void same_rows() {
    for (const auto& [table, names] : columns) {
      INFO(table);
      CHECK(adopted.rows(table, names) == theirs.rows(table, names));
    }
  }

  std::string adopted_url;
  config::Settings::Database settings;
  RememberingLog log;
  Copy theirs;
  Copy adopted;
  std::map<std::string, std::string> columns; // of each table

private:
  static std::string people() { return original_people(); }

  std::map<std::string, std::string> columns_of_theirs() {
    std::map<std::string, std::string> all;
    Sql sql{adopted_url};
    for (const auto& row :
         sql.exec("SELECT c.relname, string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) "
                  "FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 "
                  "WHERE c.relkind IN ('r', 'm') AND c.relnamespace = 'public'::regnamespace "
                  "GROUP BY c.relname"))
      all[row[0].c_str()] = row[1].c_str();
    return all;
  }
};

} // namespace

TEST_CASE_METHOD(Beside, "their devices are registered, linked, handed on and deleted as before") {
  const std::string kept =
      "RETURNING device_id, display_name, group_id, platform, fcm_token, active, "
      "owner_user_id, is_primary, linked_at, created_at, updated_at, last_seen_at";
  const auto register_device =
      "INSERT INTO devices (device_id, display_name, group_id, platform, fcm_token, active, "
      "created_at, "
      "updated_at, last_seen_at, is_primary) VALUES ($1, $2, $3, $4, $5, true, now(), now(), "
      "now(), "
      "false) ON CONFLICT (device_id) DO UPDATE SET display_name = excluded.display_name, group_id "
      "= "
      "excluded.group_id, platform = excluded.platform, fcm_token = excluded.fcm_token, active = "
      "true, "
      "updated_at = excluded.updated_at, last_seen_at = excluded.last_seen_at " +
      kept;
  both("SELECT count(*) FROM devices WHERE group_id = $1 AND active = true", {"camping"});
  both(register_device, {phone(20), "Tablet", "camping", "android", "token"});
  both(register_device, {phone(10), "Ada's phone", "skiing", "ios", kNull}); // to another string
  both(register_device, {phone(17), "In the family", "family", "android", kNull});
  both(register_device, {phone(21), "Long", std::string(51, 'x'), "android", kNull});

  both("UPDATE devices SET is_primary = false, updated_at = now() WHERE owner_user_id = $1 AND "
       "is_primary = true",
       {kAda});
  both("UPDATE devices SET owner_user_id = $2, linked_at = now(), is_primary = $3, updated_at = "
       "now() "
       "WHERE device_id = $1 " +
           kept,
       {phone(20), kAda, "true"});
  both("UPDATE devices SET owner_user_id = $2, linked_at = now(), is_primary = false, updated_at = "
       "now() WHERE device_id = $1 " +
           kept,
       {phone(17), kBen}); // transfer
  const std::string unlink =
      "UPDATE devices SET owner_user_id = NULL, linked_at = NULL, is_primary = false, updated_at = "
      "now() WHERE device_id = $1 AND owner_user_id IS NOT NULL";
  CHECK(both(unlink, {phone(12)}) == "UPDATE 1");
  CHECK(both(unlink, {phone(19)}) == "UPDATE 0");
  both("SELECT device_id, display_name, group_id, is_primary, active FROM devices WHERE "
       "owner_user_id "
       "= $1 AND active = true ORDER BY is_primary DESC, linked_at DESC NULLS LAST, device_id",
       {kAda});
  both("SELECT display_name, last_latitude, last_longitude, last_location_time, last_accuracy FROM "
       "devices_with_last_location WHERE group_id = $1 AND active = true ORDER BY display_name",
       {"camping"});
  same_rows();

  // Deactivated, active again, or gone for good.
  both("UPDATE devices SET active = false, updated_at = now() WHERE device_id = $1 AND active = "
       "true",
       {phone(18)});
  both("UPDATE devices SET active = true, updated_at = now() WHERE device_id = $1 AND active = "
       "false",
       {phone(18)});
  both("UPDATE devices SET last_seen_at = now() WHERE device_id = $1", {phone(11)});
  both("UPDATE devices SET active = false, updated_at = now() WHERE device_id = $1 AND active = "
       "true",
       {phone(19)});
  both(
      "DELETE FROM devices WHERE active = false AND updated_at < now() - ($1 || ' days')::interval",
      {"30"});
  both("DELETE FROM devices WHERE device_id = $1", {phone(13)}); // in no group
  both("SELECT refresh_group_member_counts()");
  same_rows();
}

TEST_CASE_METHOD(Beside, "their administrators import, enrol and assign devices as before") {
  const std::string organization = "00000000-0000-4000-b000-000000000001";
  const std::string policy = "00000000-0000-4000-c000-000000000001";
  both(
      "INSERT INTO enrollment_tokens (organization_id, token, token_prefix, policy_id, created_by) "
      "VALUES ($1, 'secret', 'sec', $2, $3) RETURNING id",
      {organization, policy, kDot}, "enrolment");
  both("INSERT INTO devices (device_id, display_name, group_id, platform, active, created_at, "
       "updated_at, "
       "last_seen_at, is_primary, organization_id, is_managed, enrollment_status, policy_id, "
       "enrolled_at, enrolled_via_token_id) VALUES ($1, 'Desk', 'school', 'android', true, now(), "
       "now(), now(), false, $2, true, 'enrolled', $3, now(), $4) RETURNING id, enrollment_status",
       {phone(30), organization, policy, "{enrolment}"});
  both("INSERT INTO devices (device_id, display_name, group_id, platform, active, organization_id, "
       "is_managed, enrollment_status, external_id, policy_id, assigned_user_id, metadata, "
       "created_at, "
       "updated_at) VALUES ($1, 'Trolley', 'school', 'unknown', false, $2, true, 'pending', 'T-1', "
       "$3, "
       "$4, '{\"room\": 7}', now(), now()) RETURNING id, group_id",
       {phone(31), organization, policy, kBen});
  both("SELECT device_count FROM device_policies WHERE id = $1", {policy});
  both("UPDATE devices SET group_id = coalesce($2, group_id), policy_id = coalesce($3, policy_id), "
       "updated_at = now() WHERE device_id = $1 RETURNING group_id",
       {phone(31), "gym", kNull});
  both("UPDATE devices SET assigned_user_id = NULL, updated_at = now() WHERE device_id = $1",
       {phone(31)});
  both("UPDATE devices SET policy_id = NULL, enrollment_status = 'retired', updated_at = now() "
       "WHERE "
       "device_id = $1",
       {phone(30)});
  both("SELECT device_count FROM device_policies WHERE id = $1", {policy});
  both(
      "UPDATE users SET mfa_forced = true, mfa_forced_at = now(), mfa_forced_by = $2, updated_at = "
      "now() WHERE id = $1 RETURNING id, mfa_forced_by",
      {kBen, kDot});
  same_rows();
}

TEST_CASE_METHOD(Beside, "their groups are made, changed, left and deleted as before") {
  both("SELECT EXISTS (SELECT FROM groups WHERE slug = $1)", {"hikers"});
  theirs.run("BEGIN");
  adopted.run("BEGIN");
  both("INSERT INTO groups (name, slug, description, icon_emoji, max_devices, created_by) VALUES "
       "($1, $2, "
       "$3, $4, $5, $6) RETURNING id, name, slug, is_active, settings, created_at",
       {"Hikers", "hikers", kNull, "tent", "20", kBen}, "hikers");
  both("INSERT INTO group_memberships (group_id, user_id, role) VALUES ($1, $2, 'owner')",
       {"{hikers}", kBen});
  theirs.run("COMMIT");
  adopted.run("COMMIT");
  CHECK(both("INSERT INTO groups (name, slug, max_devices, created_by) VALUES ('Hikers', 'hikers', "
             "20, $1)",
             {kAda}) == "failed: 23505 uq_groups_slug");

  // An invite, and who joins by it.
  both("INSERT INTO group_invites (group_id, code, preset_role, max_uses, expires_at, created_by) "
       "VALUES "
       "($1, 'ABC-DEF-GHI', 'member', 2, now() + interval '1 day', $2) RETURNING id, current_uses",
       {"{hikers}", kBen}, "invite");
  both("SELECT i.code, g.name, (SELECT count(*) FROM group_memberships m WHERE m.group_id = g.id) "
       "FROM "
       "group_invites i JOIN groups g ON g.id = i.group_id WHERE i.code = $1 AND i.is_active = "
       "true AND "
       "g.is_active = true",
       {"ABC-DEF-GHI"});
  const std::string join =
      "INSERT INTO group_memberships (group_id, user_id, role, invited_by) VALUES ($1, "
      "$2, $3, $4) RETURNING id, role, joined_at";
  both(join, {"{hikers}", kAda, "member", kNull}, "ada's membership");
  both(join, {"{hikers}", kCyd, "viewer", kBen}, "cyd's membership");
  both(join, {"{hikers}", kAda, "member", kNull});
  both("UPDATE group_invites SET current_uses = current_uses + 1 WHERE id = $1 AND is_active = "
       "true AND "
       "current_uses < max_uses RETURNING code, current_uses",
       {"{invite}"});
  both("UPDATE group_invites SET is_active = false WHERE id = $1 AND is_active = true",
       {"{invite}"});

  // Roles; the owner can go only after another one has come.
  const std::string role =
      "UPDATE group_memberships SET role = $3, updated_at = now() WHERE group_id = $1 "
      "AND user_id = $2 RETURNING user_id, role";
  both(role, {"{hikers}", kCyd, "admin"});
  CHECK(both(role, {"{hikers}", kBen, "admin"}).starts_with("failed: P0001"));
  both(role, {"{hikers}", kAda, "owner"});
  both(role, {"{hikers}", kBen, "admin"});
  const std::string leave = "DELETE FROM group_memberships WHERE group_id = $1 AND user_id = $2";
  CHECK(both(leave, {"{hikers}", kCyd}) == "DELETE 1");
  CHECK(both(leave, {"{hikers}", kAda}).starts_with("failed: P0001"));
  both("SELECT u.display_name, m.role FROM group_memberships m JOIN users u ON u.id = m.user_id "
       "WHERE "
       "m.group_id = $1 ORDER BY m.joined_at, u.display_name",
       {"{hikers}"});
  same_rows();

  both(
      "UPDATE groups SET name = coalesce($2, name), slug = coalesce($3, slug), description = "
      "coalesce($4, "
      "description), max_devices = coalesce($5, max_devices), updated_at = now() WHERE id = $1 AND "
      "is_active = true RETURNING name, slug, description, max_devices, updated_at",
      {"{hikers}", "Walkers", "walkers", kNull, "30"});
  CHECK(both("UPDATE groups SET max_devices = 101 WHERE id = $1", {"{hikers}"}) ==
        "failed: 23514 chk_groups_max_devices");
  both("UPDATE groups SET is_active = false, updated_at = now() WHERE id = $1 AND is_active = true",
       {"{hikers}"});
  both("SELECT id FROM groups WHERE slug = $1 AND is_active = true", {"walkers"});
  both("UPDATE groups SET is_active = true, updated_at = now() WHERE id = $1",
       {"{hikers}"}); // their admin
  CHECK(both("DELETE FROM users WHERE id = $1", {kAda}).starts_with("failed: 23503"));
  CHECK(both("DELETE FROM users WHERE id = $1", {kCyd}) == "DELETE 1");
  same_rows();
}

TEST_CASE_METHOD(Beside, "devices come into their groups and leave them as before") {
  const std::string add =
      "INSERT INTO device_group_memberships (device_id, group_id, added_by) VALUES ($1, "
      "$2, $3) RETURNING id, added_by, added_at";
  both(add, {phone(11), kFamily, kAda}, "phone 11 in the family");
  CHECK(both(add, {phone(11), kFamily, kAda}) == "failed: 23505 uq_device_group_membership");
  both(
      "SELECT d.device_id, d.display_name, d.owner_user_id, u.display_name, m.id, m.added_by, "
      "m.added_at "
      "FROM device_group_memberships m JOIN devices d ON d.device_id = m.device_id AND d.active = "
      "true "
      "LEFT JOIN users u ON u.id = d.owner_user_id WHERE m.group_id = $1 ORDER BY m.added_at DESC, "
      "d.device_id LIMIT $2 OFFSET $3",
      {kFamily, "20", "0"});
  const std::string remove =
      "DELETE FROM device_group_memberships WHERE device_id = $1 AND group_id = $2";
  CHECK(both(remove, {phone(11), kFamily}) == "DELETE 1");
  CHECK(both(remove, {phone(17), kFamily}) == "DELETE 1"); // its string stays the group's slug
  CHECK(both(remove, {phone(17), kFamily}) == "DELETE 0");
  both(
      "SELECT g.id, g.name, g.slug, m.role::text, EXISTS (SELECT FROM device_group_memberships d "
      "JOIN "
      "devices p ON p.device_id = d.device_id WHERE d.group_id = g.id AND p.owner_user_id = $1 AND "
      "p.active = true AND (d.device_id = $2 OR $2 IS NULL)), (SELECT count(*) FROM devices p "
      "WHERE "
      "p.group_id = g.slug AND p.active = true) FROM groups g JOIN group_memberships m ON "
      "m.group_id = "
      "g.id WHERE m.user_id = $1 AND g.is_active = true ORDER BY m.joined_at DESC",
      {kCyd, kNull});
  same_rows();
}

namespace {

/// The original's own migrate, as it does it: checks, then one transaction. (It filters devices by
/// a column that its table does not have; here by the one that it has.)
std::string migrate_statement(int which) {
  switch (which) {
  case 0:
    return "INSERT INTO groups (name, slug, max_devices, created_by, is_active) VALUES ($1, $2, "
           "20, $3, "
           "true) RETURNING id, name, slug, is_active";
  case 1:
    return "INSERT INTO group_memberships (user_id, group_id, role, invited_by, joined_at) VALUES "
           "($1, "
           "$2, 'owner', NULL, now())";
  case 2:
    return "UPDATE devices SET group_id = $1, updated_at = now() WHERE group_id = $2 AND active = "
           "true";
  default:
    return "INSERT INTO migration_audit_logs (user_id, registration_group_id, "
           "authenticated_group_id, "
           "devices_migrated, device_ids, status, error_message) VALUES ($1, $2, $3, $4, "
           "$5::uuid[], "
           "'success', NULL) RETURNING id, user_id, registration_group_id, authenticated_group_id, "
           "devices_migrated, device_ids, status, error_message, created_at";
  }
}

const std::string kHistory =
    "SELECT m.id, m.user_id, u.email, m.registration_group_id, m.authenticated_group_id, g.name, "
    "m.devices_migrated, m.device_ids, m.status, m.error_message, m.created_at FROM "
    "migration_audit_logs m LEFT JOIN users u ON u.id = m.user_id LEFT JOIN groups g ON g.id = "
    "m.authenticated_group_id ORDER BY m.created_at DESC LIMIT $1 OFFSET $2";

} // namespace

TEST_CASE_METHOD(Beside, "their own migrate works as before, and its history page shows it") {
  const std::string is_migrated = "SELECT EXISTS (SELECT FROM migration_audit_logs WHERE "
                                  "registration_group_id = $1 AND status = 'success')";
  CHECK(both(is_migrated, {"skiing"}) == "f\n");
  both(
      "SELECT device_id, owner_user_id FROM devices WHERE group_id = $1 AND active = true ORDER BY "
      "display_name",
      {"skiing"});
  both("SELECT id FROM groups WHERE slug = $1 AND is_active = true", {"skiing"});
  both("BEGIN");
  both(migrate_statement(0), {"Skiing", "skiing", kBen}, "skiing");
  both(migrate_statement(1), {kBen, "{skiing}"});
  CHECK(both(migrate_statement(2), {"skiing", "skiing"}) == "UPDATE 3");
  both(migrate_statement(3),
       {kBen, "skiing", "{skiing}", "3", "{" + phone(14) + "," + phone(15) + "," + phone(16) + "}"},
       "migration");
  both("COMMIT");
  CHECK(both(is_migrated, {"skiing"}) == "t\n");
  both(kHistory, {"20", "0"});
  both("SELECT count(*) FROM migration_audit_logs");
  both("SELECT count(*) FROM migration_audit_logs WHERE status = $1", {"success"});
  both("SELECT authenticated_group_id FROM migration_audit_logs WHERE registration_group_id = $1 "
       "AND "
       "status = 'success' ORDER BY created_at DESC LIMIT 1",
       {"skiing"});
  same_rows();

  // A failed one of its own, which names a group as well.
  both("INSERT INTO migration_audit_logs (user_id, registration_group_id, authenticated_group_id, "
       "devices_migrated, device_ids, status, error_message) VALUES ($1, $2, $3, 0, '{}', "
       "'failed', $4) "
       "RETURNING id, status",
       {kBen, "camping", "{skiing}", "no luck"}, "failure");
  both("SELECT m.id, m.status FROM migration_audit_logs m WHERE m.user_id = $1 AND m.status = $2 "
       "ORDER BY "
       "m.created_at DESC",
       {kBen, "failed"});
  both("UPDATE groups SET is_active = false, updated_at = now() WHERE id = $1 AND is_active = true",
       {"{skiing}"});
  both(kHistory, {"20", "0"});
  CHECK(both("DELETE FROM groups WHERE id = $1", {"{skiing}"}).starts_with("failed: P0001"));
  same_rows();
}

namespace {

/// The lines of docs/adopting.md that announce what their statements do differently.
std::set<std::string> announced_differences() {
  std::ifstream file{REGROUP_SOURCE_DIR "/docs/adopting.md"};
  std::set<std::string> lines;
  bool here = false;
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("## "))
      here = line == "## What the backend's own statements see";
    else if (here && line.starts_with("- "))
      lines.insert(line.substr(2, 60));
  return lines;
}

struct BesideMigration : Beside {
  /// Camping becomes a group of Ada's: by Regroup on the adopted copy, by their own program on
  /// theirs.
  void migrate() {
    auto request =
        domain::MigrationRequest{*unicode.decode("camping"), unicode.decode("Campers"), {}};
    auto command =
        domain::make_migration_command(std::move(request), *domain::Uuid::parse(kAda), unicode);
    command.deadline = std::chrono::steady_clock::now() + std::chrono::seconds{30};
    TestStore store{settings, db::read_schema_facts(settings), log, metrics};
    const auto done = completed_of(
        store.execute(std::make_shared<const domain::MigrationCommand>(std::move(command))));
    adopted.call(done.authenticated_group_id.text(), "campers");
    adopted.call(done.migration_id.text(), "migration");

    theirs.run("BEGIN");
    theirs.run(migrate_statement(0), {"Campers", "campers", kAda}, "campers");
    theirs.run(migrate_statement(1), {kAda, "{campers}"});
    theirs.run(migrate_statement(2), {"campers", "camping"});
    theirs.run(migrate_statement(3),
               {kAda, "camping", "{campers}", "4",
                "{" + phone(10) + "," + phone(11) + "," + phone(12) + "," + phone(13) + "}"},
               "migration");
    theirs.run("COMMIT");
  }
  static domain::MigrationCompleted completed_of(const domain::Answer& answer) {
    REQUIRE(completed(answer) != nullptr);
    return *completed(answer);
  }
  /// What Regroup did as well: announced.
  void put_devices_into_their_group() {
    for (const int number : {10, 11, 12, 13})
      theirs.run("INSERT INTO device_group_memberships (device_id, group_id, added_by) VALUES ($1, "
                 "$2, $3)",
                 {phone(number), "{campers}", kAda});
  }

  text::Utf8procUnicode unicode;
  domain::Metrics metrics;
};

} // namespace

TEST_CASE_METHOD(BesideMigration, "a group that Regroup made is to them as one of their own") {
  migrate();
  put_devices_into_their_group();
  same_rows();
  both(kHistory, {"20", "0"});
  both("SELECT id, name, slug, max_devices, is_active, settings, created_by FROM groups WHERE id = "
       "$1 AND "
       "is_active = true",
       {"{campers}"});
  both("SELECT device_id, display_name FROM devices_with_last_location WHERE group_id = $1 AND "
       "active = "
       "true ORDER BY display_name",
       {"campers"});
  both("SELECT group_id, count(*) FROM devices WHERE active = true GROUP BY group_id ORDER BY "
       "group_id");

  const std::string remove =
      "DELETE FROM device_group_memberships WHERE device_id = $1 AND group_id = $2";
  CHECK(both(remove, {phone(11), "{campers}"}) == "DELETE 1");
  same_rows();
  both("INSERT INTO device_group_memberships (device_id, group_id, added_by) VALUES ($1, $2, $3) "
       "RETURNING "
       "added_by",
       {phone(11), "{campers}", kAda});
  both("UPDATE devices SET owner_user_id = NULL, linked_at = NULL, is_primary = false, updated_at "
       "= now() "
       "WHERE device_id = $1 AND owner_user_id IS NOT NULL",
       {phone(12)});
  both("INSERT INTO group_memberships (group_id, user_id, role, invited_by) VALUES ($1, $2, "
       "'member', $3) "
       "RETURNING role",
       {"{campers}", kBen, kAda});
  both("BEGIN");
  both("UPDATE group_memberships SET role = 'owner', updated_at = now() WHERE group_id = $1 AND "
       "user_id = "
       "$2",
       {"{campers}", kBen});
  both("UPDATE group_memberships SET role = 'admin', updated_at = now() WHERE group_id = $1 AND "
       "user_id = "
       "$2",
       {"{campers}", kAda});
  both("COMMIT");
  both("DELETE FROM group_memberships WHERE group_id = $1 AND user_id = $2", {"{campers}", kAda});
  both("UPDATE groups SET name = $2, slug = $3, updated_at = now() WHERE id = $1 AND is_active = "
       "true "
       "RETURNING name, slug",
       {"{campers}", "Hikers", "hikers"});
  same_rows();

  CHECK(both("DELETE FROM groups WHERE id = $1", {"{campers}"}).starts_with("failed: P0001"));
  both("UPDATE groups SET is_active = false, updated_at = now() WHERE id = $1 AND is_active = true",
       {"{campers}"});
  both(kHistory, {"20", "0"});
  both("SELECT EXISTS (SELECT FROM groups WHERE slug = $1)", {"hikers"});
  same_rows();
}

TEST_CASE_METHOD(BesideMigration,
                 "what their statements do differently is announced, and nothing else") {
  std::set<std::string> found;
  const auto differs = [&](const std::string& line, const std::string& statement,
                           const Parameters& parameters, const std::string& on_theirs,
                           const std::string& on_adopted) {
    INFO(line);
    CHECK(theirs.run(statement, parameters) == on_theirs);
    CHECK(adopted.run(statement, parameters) == on_adopted);
    found.insert(line.substr(0, 60));
  };
  const std::string add =
      "INSERT INTO device_group_memberships (device_id, group_id, added_by) VALUES ($1, $2, $3)";
  differs("A membership for a device that does not exist is refused (23503, the same foreign key).",
          add, {phone(99), kFamily, kAda}, "INSERT 0 1",
          "failed: 23503 regroup_fk_device_group_memberships_device_id");
  both("DELETE FROM devices WHERE device_id = $1", {phone(18)});
  differs("Deleting a device deletes its rows of `device_group_memberships` (a foreign key",
          "SELECT count(*) FROM device_group_memberships WHERE device_id = $1", {phone(18)}, "1\n",
          "0\n");
  both(migrate_statement(3), {kAda, "lake", kFamily, "0", "{}"});
  const std::string again = "INSERT INTO migration_audit_logs (user_id, registration_group_id, "
                            "authenticated_group_id) VALUES ($1, 'lake', $2)";
  differs("A second `success` row for one registration group is refused (23505, `regroup_o", again,
          {kAda, kFamily}, "INSERT 0 1", "failed: 23505 regroup_one_success");
  migrate();
  differs("A migration through Regroup also puts the devices into `device_group_memberships`.",
          "SELECT count(*) FROM device_group_memberships WHERE group_id = $1", {"{campers}"}, "0\n",
          "4\n");
  CHECK(found == announced_differences());
}

} // namespace regroup::test
