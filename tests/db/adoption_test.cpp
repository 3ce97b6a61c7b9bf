// What is there in an adopted database stays, and what is missing is announced and added; then it
// serves.
#include "tests/db/adoption_support.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <iterator>
#include <regex>
#include <set>
#include <sstream>

using namespace regroup;
using namespace regroup::test;
using domain::Refused;

namespace {

/// Each line of a dump with the thing that it is about, in the words of `schema status`: a column,
/// a type, a table, a function, an index, a foreign key. `old_tables`: of those the columns count.
std::multiset<std::pair<std::string, std::string>>
told_by(const std::string& dump, const std::set<std::string>& old_tables) {
  static const std::regex head{
      R"(^(?:CREATE|ALTER) (TABLE|UNLOGGED TABLE|TYPE|FUNCTION|SEQUENCE|INDEX|UNIQUE INDEX|TRIGGER)(?: ONLY)? (?:public\.)?(\w+))"};
  static const std::regex constraint{R"(^ +ADD CONSTRAINT (\w+))"};
  std::multiset<std::pair<std::string, std::string>> told;
  std::istringstream lines{dump};
  std::string kind;
  std::string name;
  bool in_body = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || (!in_body && line.starts_with("SET "))) // of whatever comes next
      continue;
    std::smatch match;
    if (!in_body && std::regex_search(line, match, head)) {
      kind = match[1];
      name = std::regex_replace(match[2].str(), std::regex{"_id_seq$"}, ""); // part of its table
    }
    if (kind == "FUNCTION" && std::regex_search(line, std::regex{R"(\$\$)"}))
      in_body = !in_body;
    std::string about = name;
    if (kind == "TABLE" && std::regex_search(line, match, constraint) && old_tables.contains(name))
      about = match[1];
    else if (kind == "TABLE" && old_tables.contains(name) && line.starts_with("    "))
      about += "." + line.substr(4, line.find(' ', 4) - 4);
    while (!line.empty() && (line.back() == ',' || line.back() == ';'))
      line.pop_back(); // a line that is no longer the last one
    told.emplace(about, line);
  }
  return told;
}

/// What rows really are: where they stand, who wrote them, and the values of the columns that the
/// table has had before.
std::string rows_of(Sql& sql, const std::string& table, const std::string& columns) {
  return sql.value<std::string>("SELECT coalesce(string_agg((ctid, xmin, " + columns +
                                ")::text, E'\\n' ORDER BY ctid), '') FROM " + table);
}

} // namespace

TEST_CASE_METHOD(AdoptionTest, "an adopted database differs only by what was announced") {
  const std::set<std::string> tables{"users",
                                     "devices",
                                     "groups",
                                     "group_memberships",
                                     "device_group_memberships",
                                     "migration_audit_logs",
                                     "locations",
                                     "device_group_history",
                                     "outbox"};
  std::map<std::string, std::pair<std::string, std::string>> rows; // table: columns, rows
  for (const auto& table : tables) {
    const auto columns = sql.value<std::string>(
        "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute "
        "WHERE attrelid = $1::regclass AND attnum > 0",
        table);
    rows[table] = {columns, rows_of(sql, table, columns)};
  }
  const auto before = told_by(schema_dump(url), tables);
  const Lines promised = announced();
  CHECK(told_by(schema_dump(url), tables) == before); // to look changes nothing
  CHECK(apply() == promised);
  const auto after = told_by(schema_dump(url), tables);

  std::vector<std::pair<std::string, std::string>> differences;
  std::set_symmetric_difference(before.begin(), before.end(), after.begin(), after.end(),
                                std::back_inserter(differences));
  std::set<std::string> unsaid;
  for (const auto& [about, line] : differences)
    if (!mentions(promised, about))
      unsaid.insert(about + ": " + line);
  CHECK(unsaid == std::set<std::string>{});
  Lines undone;
  for (const auto& line : promised)
    if (line.find("records the step") == line.npos &&
        std::none_of(differences.begin(), differences.end(),
                     [&](const auto& each) { return line.find(each.first) != line.npos; }))
      undone.push_back(line);
  CHECK(undone == Lines{});

  for (const auto& [table, content] : rows) {
    INFO(table);
    CHECK(rows_of(sql, table, content.first) == content.second);
  }
  CHECK(announced() == Lines{});
  CHECK(apply() == Lines{});
}

TEST_CASE_METHOD(AdoptionTest,
                 "a group is migrated in an adopted database with its triggers firing") {
  apply();
  const auto user = user_with_devices("camping-2025", 3);
  const auto answer = migrate(command(user, "camping-2025", "Chen Family"));
  REQUIRE(completed(answer));
  CHECK(count("device_group_history WHERE old_group_id = 'camping-2025' "
              "AND new_group_id = 'chen-family'") == 3);
  CHECK(sql.value<std::string>("SELECT payload ->> 'icon' FROM outbox") == "tent");
  CHECK(sql.value<std::string>("SELECT settings ->> 'units' FROM groups WHERE slug = "
                               "'chen-family'") == "metric");
  CHECK(sql.value<bool>("SELECT is_active FROM groups WHERE slug = 'chen-family'"));
  // What the backend has migrated is known, though its audit row has none of our columns.
  CHECK(refused(migrate(command(user, "lake-2024"))) == Refused::already_migrated);
}

TEST_CASE_METHOD(AdoptionTest,
                 "a failed migration is recorded where an audit row had to have a group") {
  CHECK_FALSE(mentions(announced(), "migration_audit_logs.authenticated_group_id"));
  apply();
  const auto user = user_with_devices("camping-2025", 3);
  World world{url};
  world.raise_at_device(2);
  CHECK(refused(migrate(command(user, "camping-2025"))) == Refused::internal);
  CHECK(world.failure_code() == "server/internal");
  CHECK(count("migration_audit_logs") == 1); // what was there
  world.raise_no_more();
  CHECK(completed(migrate(command(user, "camping-2025"))));
}

TEST_CASE_METHOD(AdoptionTest,
                 "a NOT NULL of the backend's own in the audit stays, and needs a default") {
  sql.exec("ALTER TABLE migration_audit_logs ALTER COLUMN client_version SET NOT NULL");
  CHECK_THAT(stop(), Catch::Contains("migration_audit_logs.client_version is NOT NULL without"));
  sql.exec("ALTER TABLE migration_audit_logs ALTER COLUMN client_version SET DEFAULT 'none'");
  apply();
  CHECK(completed(migrate(command(user_with_devices("camping-2025", 3), "camping-2025"))));
}

TEST_CASE_METHOD(AdoptionTest, "values that the status type lacks are added before they are used") {
  CHECK(mentions(announced(), "adds the value partial to the type migration_status"));
  CHECK_FALSE(mentions(announced(), "the value rolled_back"));
  apply();
  const auto user = user_with_devices("camping-2025", 3);
  auto part = command(user, "camping-2025");
  part.device_ids = {*domain::Uuid::parse(sql.value<std::string>(
      "SELECT device_id FROM devices WHERE group_id = 'camping-2025' LIMIT 1"))};
  REQUIRE(completed(migrate(part)));
  CHECK(count("migration_audit_logs WHERE status = 'partial'") == 1);
}

TEST_CASE_METHOD(AdoptionTest,
                 "a key that was used for a group that is gone is answered, not with 500") {
  apply();
  const auto user = user_with_devices("camping-2025", 3);
  auto what = command(user, "camping-2025", "Chen Family");
  what.idempotency = domain::IdempotencyKey{"tap-1", "hash"};
  REQUIRE(completed(migrate(what)));
  sql.exec("ALTER TABLE migration_audit_logs ALTER authenticated_group_id DROP NOT NULL; "
           "DELETE FROM groups WHERE slug = 'chen-family'"); // ON DELETE SET NULL
  auto again = command(user, "camping-2025", "Chen Family");
  again.idempotency = what.idempotency;
  CHECK(refused(migrate(again)) == Refused::already_migrated);
}

TEST_CASE_METHOD(AdoptionTest,
                 "a name that the backend keeps unique is refused as taken, not with 500") {
  sql.exec("ALTER TABLE groups ADD UNIQUE (name)");
  apply();
  sql.exec("INSERT INTO groups (name, slug, created_by) SELECT 'Chen Family', 'chens', id "
           "FROM users LIMIT 1");
  const auto user = user_with_devices("camping-2025", 3);
  CHECK(refused(migrate(command(user, "camping-2025", "Chen Family"))) ==
        Refused::group_name_exists);
  CHECK(count("devices WHERE group_id = 'camping-2025'") == 3);
}

TEST_CASE_METHOD(AdoptionTest,
                 "tables that lack columns and keys are given them, and keep their rows") {
  sql.exec("ALTER TABLE device_group_memberships DROP CONSTRAINT "
           "device_group_memberships_device_id_group_id_key; "
           "ALTER TABLE groups DROP CONSTRAINT groups_slug_key; "
           "ALTER TABLE devices DROP COLUMN is_primary, DROP COLUMN linked_at; "
           "ALTER TABLE migration_audit_logs DROP COLUMN created_at");
  const auto lines = announced();
  CHECK(mentions(lines, "adds the column devices.is_primary boolean DEFAULT false NOT NULL"));
  CHECK(mentions(lines, "adds the column migration_audit_logs.created_at"));
  CHECK(mentions(lines, "adds the column migration_audit_logs.trace_id varchar(32)"));
  CHECK(mentions(lines, "adds the column migration_audit_logs.locked_at timestamptz"));
  CHECK(mentions(lines, "builds the unique index regroup_key_groups_slug on groups (slug)"));
  apply();
  CHECK(announced() == Lines{});
  CHECK(completed(migrate(command(user_with_devices("camping-2025", 3), "camping-2025"))));
}

TEST_CASE_METHOD(AdoptionTest,
                 "a role that may not change the schema says what is missing, and works after") {
  auto limited = settings;
  limited.url = granted_role_url(url);
  const auto before = schema_dump(url);
  const auto role = Sql{limited.url}.value<std::string>("SELECT current_user::text");
  CHECK_THROWS_WITH(db::apply_schema(limited, log),
                    Catch::Contains("the role " + role +
                                    " may not do what is missing: adds the "
                                    "value partial to the type migration_status") &&
                        Catch::Contains("regroup schema apply"));
  CHECK((schema_dump(url) == before)); // too long to be printed

  apply(); // by the owner
  CHECK_THROWS_WITH(db::apply_schema(limited, log),
                    Catch::Contains("may not read the table regroup_schema"));
  granted_role_url(url); // and its grants on what is new
  CHECK(db::apply_schema(limited, log) == Lines{});
  const auto user = user_with_devices("camping-2025", 3);
  settings = limited;
  CHECK(completed(migrate(command(user, "camping-2025"))));

  sql.exec("DROP INDEX regroup_one_success");
  CHECK_THROWS_WITH(db::apply_schema(limited, log),
                    Catch::Contains("builds the unique index regroup_one_success"));
}
