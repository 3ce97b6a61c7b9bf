#include "db/adoption/wanted_schema.hpp"

#include <algorithm>
#include <cctype>
#include <regex>
#include <stdexcept>

namespace regroup::db {
namespace {

using wanted::Statement;

constexpr std::string_view kRecord =
    "CREATE TABLE IF NOT EXISTS regroup_schema (step integer PRIMARY KEY, name text NOT NULL, "
    "checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now());";

bool is_space(char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; }
bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

/// The end of the token at `at`: a comment, a quoted or dollar-quoted text, or one character.
std::size_t end_of_piece(std::string_view sql, std::size_t at) {
  const auto after = [&](std::string_view closing, std::size_t from) {
    const auto found = sql.find(closing, from);
    if (found == std::string_view::npos)
      throw std::logic_error("db/schema: a quote is open at the end");
    return found + closing.size();
  };
  if (sql.substr(at).starts_with("--"))
    return std::min(sql.find('\n', at), sql.size());
  if (sql[at] == '\'')
    return after("'", at + 1);
  if (sql[at] == '$') {
    const auto tag_end = sql.find('$', at + 1);
    if (tag_end != std::string_view::npos &&
        std::all_of(sql.begin() + static_cast<std::ptrdiff_t>(at) + 1,
                    sql.begin() + static_cast<std::ptrdiff_t>(tag_end), is_word))
      return after(sql.substr(at, tag_end + 1 - at), tag_end + 1);
  }
  return at + 1;
}

std::string trimmed(std::string_view text) {
  while (!text.empty() && is_space(text.front()))
    text.remove_prefix(1);
  while (!text.empty() && is_space(text.back()))
    text.remove_suffix(1);
  return std::string{text};
}

/// Splits at each `separator` outside of quotes and parentheses; drops comments outside of quotes.
std::vector<std::string> split(std::string_view sql, char separator) {
  std::vector<std::string> parts;
  std::string part;
  int depth = 0;
  for (std::size_t at = 0; at < sql.size();) {
    const std::size_t end = end_of_piece(sql, at);
    const bool single = end == at + 1;
    depth += single && sql[at] == '(' ? 1 : single && sql[at] == ')' ? -1 : 0;
    if (single && sql[at] == separator && depth == 0) {
      parts.push_back(trimmed(part));
      part.clear();
    } else if (!sql.substr(at).starts_with("--")) {
      part += sql.substr(at, end - at);
    }
    at = end;
  }
  if (depth != 0)
    throw std::logic_error("db/schema: a parenthesis is open at the end");
  if (auto rest = trimmed(part); !rest.empty())
    parts.push_back(std::move(rest));
  return parts;
}

/// What is in the parentheses that `text` begins with; empty if it does not begin with any.
std::string inside(std::string_view text) {
  int depth = 0;
  for (std::size_t at = 0; at < text.size(); at = end_of_piece(text, at)) {
    depth += text[at] == '(' ? 1 : text[at] == ')' ? -1 : 0;
    if (depth == 0)
      return at == 0 ? std::string{} : trimmed(text.substr(1, at - 1));
  }
  return {};
}

/// A pattern in which a space stands for any white space.
std::regex words(const std::string& pattern) {
  return std::regex{std::regex_replace(pattern, std::regex{" "}, "\\s+")};
}

/// A match at a text's beginning: the pattern's groups from 1 on, and the rest of the text.
struct Beginning {
  std::smatch found;
  std::string operator[](std::size_t group) const { return found[group].str(); }
  std::string rest() const { return found.suffix().str(); }
};

bool begins(const std::string& text, const std::regex& pattern, Beginning& beginning) {
  return std::regex_search(text, beginning.found, pattern, std::regex_constants::match_continuous);
}

void read_reference(const std::string& column, const std::string& text, wanted::Table& table) {
  static const auto target = words("(\\w+)\\s*\\((\\w+)\\)\\s*");
  if (Beginning to; begins(text, target, to))
    table.references.push_back({column, to[1], to[2], to.rest() == "ON DELETE CASCADE"});
}

/// Reads the column's type, default and constraints. Keys and references go to `table`.
wanted::Column read_column(const std::string& text, wanted::Table& table) {
  // Clause by clause: a key word (the first is the column's name) and the text up to the next one.
  // Quoted text and parentheses are skipped as a whole.
  static const auto clause = [] {
    const std::string key_word = "(?:NOT )?NULL|DEFAULT|PRIMARY KEY|UNIQUE|REFERENCES|CHECK";
    const std::string piece = R"('[^']*'|\((?:[^()']|'[^']*'|\([^()]*\))*\)|[^()'])";
    return words("(^\\w+|" + key_word + ")\\b((?:" + piece + ")*?)(?= (?:" + key_word + ")\\b|$)");
  }();
  wanted::Column column;
  for (std::sregex_iterator each{text.begin(), text.end(), clause}, end; each != end; ++each) {
    const std::string word = each->str(1);
    const std::string what = trimmed(each->str(2));
    if (column.name.empty()) {
      column.name = word;
      column.type = what;
    } else if (word.starts_with("NOT") || word.starts_with("PRIMARY")) {
      column.not_null = true;
    } else if (word == "DEFAULT") {
      column.preset = what;
    } else if (word == "REFERENCES") {
      read_reference(column.name, what, table);
    }
    if (word.starts_with("PRIMARY") || word == "UNIQUE")
      table.keys.push_back({column.name});
  }
  return column;
}

wanted::Table read_table(const std::string& name, const std::string& items) {
  static const auto key = words("(?:UNIQUE|PRIMARY KEY)\\s*(?=\\()");
  static const auto unread = words("(?:CONSTRAINT|CHECK|FOREIGN KEY)\\b");
  wanted::Table table{name, {}, {}, {}};
  for (const std::string& item : split(items, ','))
    if (Beginning found; begins(item, key, found))
      table.keys.push_back(split(inside(found.rest()), ','));
    else if (!begins(item, unread, found))
      table.columns.push_back(read_column(item, table));
  return table;
}

/// `ADD COLUMN IF NOT EXISTS …, ADD COLUMN IF NOT EXISTS …`; empty if there is anything else.
std::vector<wanted::Column> read_added_columns(const std::string& actions) {
  static const auto add = words("ADD COLUMN (?:IF NOT EXISTS )?");
  std::vector<wanted::Column> columns;
  wanted::Table unused;
  for (const std::string& action : split(actions, ',')) {
    Beginning found;
    if (!begins(action, add, found))
      return {};
    columns.push_back(read_column(found.rest(), unused));
  }
  return columns;
}

std::vector<std::string> read_labels(const std::string& list) {
  std::vector<std::string> labels;
  for (const std::string& quoted : split(list, ','))
    labels.push_back(quoted.substr(1, quoted.size() - 2));
  return labels;
}

wanted::Function read_function(const std::string& name, const std::string& all) {
  const std::string head = all.substr(0, all.find("AS $")); // the body comes last
  const auto has = [&](const char* what) { return head.find(what) != std::string::npos; };
  return {name, has("IMMUTABLE"), has("RETURNS trigger"), has("SECURITY DEFINER")};
}

wanted::Grant read_grant(const std::string& privileges, const std::string& tables) {
  static const auto privilege = words("(\\w+)\\s*");
  wanted::Grant grant{{}, split(tables, ',')};
  for (const auto& item : split(privileges, ','))
    if (Beginning found; begins(item, privilege, found))
      grant.privileges.push_back({found[1], split(inside(found.rest()), ',')});
  return grant;
}

decltype(Statement::what) read(const std::string& sql) {
  static const auto renamed_table = words("ALTER TABLE (\\w+) RENAME TO (\\w+)");
  static const auto renamed_index = words("ALTER INDEX (\\w+) RENAME TO (\\w+)");
  static const auto added_columns = words("ALTER TABLE (\\w+) (?=ADD COLUMN )");
  static const auto added_label = words("ALTER TYPE (\\w+) ADD VALUE (?:IF NOT EXISTS )?");
  static const auto type = words("CREATE TYPE (\\w+) AS ENUM\\s*");
  static const auto table = words("CREATE (?:UNLOGGED )?TABLE (?:IF NOT EXISTS )?(\\w+)\\s*");
  static const auto index = words("CREATE (UNIQUE )?INDEX (?:IF NOT EXISTS )?(\\w+) ON (\\w+)\\s*"
                                  "\\(((?:[^()]|\\([^()]*\\))*)\\)(?: WHERE )?");
  static const auto function = words("CREATE (?:OR REPLACE )?FUNCTION (\\w+)");
  static const auto trigger = words("CREATE OR REPLACE TRIGGER (\\w+) [^;]*? ON (\\w+)");
  static const auto grant = words("GRANT ([^;]+?) ON ([^;]+?) TO ");
  Beginning found;
  if (begins(sql, renamed_table, found))
    return wanted::Renamed{true, found[1], found[2]};
  if (begins(sql, renamed_index, found))
    return wanted::Renamed{false, found[1], found[2]};
  if (begins(sql, added_columns, found))
    if (auto columns = read_added_columns(found.rest()); !columns.empty())
      return wanted::AddedColumns{found[1], std::move(columns)};
  if (begins(sql, added_label, found))
    return wanted::Enum{found[1], read_labels(found.rest()), true};
  if (begins(sql, type, found))
    return wanted::Enum{found[1], read_labels(inside(found.rest())), false};
  if (begins(sql, table, found))
    return read_table(found[1], inside(found.rest()));
  if (begins(sql, index, found))
    return wanted::Index{found[2], found[3], found[4], found.rest(), !found[1].empty()};
  if (begins(sql, function, found))
    return read_function(found[1], found.rest());
  if (begins(sql, trigger, found))
    return wanted::Trigger{found[1], found[2]};
  if (begins(sql, grant, found))
    return read_grant(found[1], found[2]);
  return wanted::Other{};
}

} // namespace

std::vector<Statement> wanted_statements(std::string_view sql) {
  std::vector<Statement> statements;
  for (std::string& text : split(sql, ';')) {
    auto& statement = statements.emplace_back();
    statement.what = read(text);
    statement.sql = std::move(text);
  }
  return statements;
}

const std::vector<Statement>& wanted_schema() {
  static const std::vector<Statement> all = [] {
    std::vector<Statement> statements = wanted_statements(kRecord);
    for (const SchemaStep& step : schema_steps())
      for (Statement& each : wanted_statements(step.sql)) {
        each.step = &step;
        statements.push_back(std::move(each));
      }
    for (const SchemaStep& file : schema_functions())
      for (Statement& each : wanted_statements(file.sql))
        statements.push_back(std::move(each));
    return statements;
  }();
  return all;
}

} // namespace regroup::db
