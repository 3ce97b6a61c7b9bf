// What db/schema/ says is read out of its SQL.
#include "db/adoption/wanted_schema.hpp"

#include <catch2/catch.hpp>

#include <set>

using namespace regroup;
using db::wanted_statements;
namespace wanted = regroup::db::wanted;

TEST_CASE("a table's columns, keys and references are read out of its SQL") {
  const auto statements = wanted_statements(R"(
-- a comment; with a semicolon, and a quote that's open
CREATE TABLE IF NOT EXISTS things (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(), -- not (a parenthesis
  name varchar(100) NOT NULL UNIQUE,
  price numeric(8, 2) NOT NULL DEFAULT 0 CHECK (price >= 0),
  tags text[] NOT NULL DEFAULT '{a, (b; c}',
  box_id uuid NOT NULL REFERENCES boxes (id) ON DELETE CASCADE,
  made_by uuid REFERENCES users (id) ON DELETE SET NULL,
  UNIQUE (box_id, name)
);)");
  REQUIRE(statements.size() == 1);
  const auto& table = std::get<wanted::Table>(statements.front().what);
  CHECK(table.name == "things");
  REQUIRE(table.columns.size() == 6);
  CHECK(table.columns[0].preset == "gen_random_uuid()");
  CHECK(table.columns[1].type == "varchar(100)");
  CHECK(table.columns[1].not_null);
  CHECK(table.columns[2].type == "numeric(8, 2)");
  CHECK(table.columns[2].preset == "0");
  CHECK(table.columns[3].type == "text[]");
  CHECK(table.columns[3].preset == "'{a, (b; c}'");
  CHECK_FALSE(table.columns[5].not_null);
  CHECK(table.keys == std::vector<std::vector<std::string>>{{"id"}, {"name"}, {"box_id", "name"}});
  REQUIRE(table.references.size() == 2);
  CHECK(table.references[0].to_table == "boxes");
  CHECK(table.references[0].cascades);
  CHECK_FALSE(table.references[1].cascades);
}

TEST_CASE("words in quotes and parentheses are no constraints of their column") {
  const auto statements = wanted_statements(R"(
CREATE TABLE things (
  a text DEFAULT 'it is NOT NULL, (or' ,
  b int CHECK (b IS NOT NULL OR (b > f(1))),
  c int CHECK ((c IS NULL) OR (c > 1)) NOT NULL,
  d text DEFAULT ('a' || upper('PRIMARY KEY')) UNIQUE,
  e double precision
    DEFAULT -1.5 NOT
    NULL,
  f uuid REFERENCES users(id) ON DELETE CASCADE UNIQUE,
  CONSTRAINT positive CHECK (b > 0), FOREIGN KEY (a) REFERENCES others (a),
  PRIMARY KEY (a, b)
);)");
  const auto& table = std::get<wanted::Table>(statements.at(0).what);
  std::string read;
  for (const auto& column : table.columns)
    read += column.name + ": " + column.type + (column.not_null ? " NOT NULL" : "") + " = " +
            column.preset + "\n";
  CHECK(read == "a: text = 'it is NOT NULL, (or'\n"
                "b: int = \n"
                "c: int NOT NULL = \n"
                "d: text = ('a' || upper('PRIMARY KEY'))\n"
                "e: double precision NOT NULL = -1.5\n"
                "f: uuid = \n");
  CHECK(table.keys == std::vector<std::vector<std::string>>{{"d"}, {"f"}, {"a", "b"}});
  REQUIRE(table.references.size() == 1);
  CHECK(table.references[0].cascades);
}

TEST_CASE("an index's expressions are read as its columns") {
  const auto statements = wanted_statements("CREATE INDEX i ON t (lower(a), b) WHERE (a <> '')");
  const auto& index = std::get<wanted::Index>(statements.at(0).what);
  CHECK(index.columns == "lower(a), b");
  CHECK(index.predicate == "(a <> '')");
}

TEST_CASE("a grant's privileges are read with their columns") {
  const auto statements =
      wanted_statements("GRANT SELECT (a, b), INSERT, UPDATE (c)\n  ON t, u TO r");
  const auto& grant = std::get<wanted::Grant>(statements.at(0).what);
  CHECK(grant.tables == std::vector<std::string>{"t", "u"});
  REQUIRE(grant.privileges.size() == 3);
  CHECK(grant.privileges[0].name == "SELECT");
  CHECK(grant.privileges[0].columns == std::vector<std::string>{"a", "b"});
  CHECK(grant.privileges[1].columns.empty());
  CHECK(grant.privileges[2].name == "UPDATE");
  CHECK(std::holds_alternative<wanted::Other>(wanted_statements("GRANT a TO b").at(0).what));
}

TEST_CASE(
    "columns, indexes, types and functions are read, and what is none of them is told apart") {
  const auto statements = wanted_statements(R"(
ALTER TABLE things ADD COLUMN IF NOT EXISTS a int, ADD COLUMN b varchar(8) NOT NULL DEFAULT 'x;';
CREATE UNIQUE INDEX IF NOT EXISTS one ON things (a, b) WHERE a > 1 AND b <> ';';
CREATE TYPE colour AS ENUM ('red', 'dark blue');
ALTER TYPE colour ADD VALUE IF NOT EXISTS 'green';
CREATE OR REPLACE FUNCTION f(x text, y int) RETURNS int LANGUAGE sql AS $body$ SELECT 1; $body$;
ALTER TABLE things ALTER COLUMN a SET NOT NULL;
DO $$ BEGIN PERFORM 1; END $$;
)");
  REQUIRE(statements.size() == 7);
  const auto& added = std::get<wanted::AddedColumns>(statements[0].what);
  REQUIRE(added.columns.size() == 2);
  CHECK(added.columns[1].preset == "'x;'");
  const auto& index = std::get<wanted::Index>(statements[1].what);
  CHECK(index.unique);
  CHECK(index.columns == "a, b");
  CHECK(index.predicate == "a > 1 AND b <> ';'");
  CHECK(std::get<wanted::Enum>(statements[2].what).labels ==
        std::vector<std::string>{"red", "dark blue"});
  CHECK(std::get<wanted::Enum>(statements[3].what).added);
  CHECK(std::get<wanted::Function>(statements[4].what).name == "f");
  CHECK(statements[4].sql.ends_with("$body$ SELECT 1; $body$"));
  CHECK(std::holds_alternative<wanted::Other>(statements[5].what));
  CHECK(std::holds_alternative<wanted::Other>(statements[6].what));
}

TEST_CASE("what is open at the end of a step is an error, not a statement") {
  CHECK_THROWS_AS(wanted_statements("CREATE TABLE t (a int"), std::logic_error);
  CHECK_THROWS_AS(wanted_statements("SELECT 'a"), std::logic_error);
  CHECK_THROWS_AS(wanted_statements("DO $$ BEGIN"), std::logic_error);
}

TEST_CASE("a table's and an index's new name are read") {
  const auto statements =
      wanted_statements("ALTER TABLE a RENAME TO b; ALTER INDEX a_x RENAME TO b_x;");
  const auto& of_table = std::get<wanted::Renamed>(statements.at(0).what);
  CHECK((of_table.is_table && of_table.from == "a" && of_table.to == "b"));
  const auto& of_index = std::get<wanted::Renamed>(statements.at(1).what);
  CHECK((!of_index.is_table && of_index.from == "a_x" && of_index.to == "b_x"));
}

TEST_CASE("the steps make the contract's tables, and others that begin with regroup_") {
  std::set<std::string> tables;
  for (const auto& statement : db::wanted_schema())
    if (const auto* table = std::get_if<wanted::Table>(&statement.what))
      tables.insert(table->name);
  for (const char* name :
       {"users", "devices", "groups", "group_memberships", "device_group_memberships",
        "migration_audit_logs", "api_keys", "regroup_schema"})
    CHECK(tables.erase(name) == 1);
  for (const auto& name : tables)
    CHECK(name.starts_with("regroup_"));
}
