#include "db/wanted_schema.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <stdexcept>

namespace regroup::db {
namespace {

using wanted::Statement;

constexpr std::string_view kRecord =
    "CREATE TABLE IF NOT EXISTS regroup_schema (step integer PRIMARY KEY, name text NOT NULL, "
    "checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now());";

bool is_space(char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; }
bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

/// The end of what begins at `at`: a comment, a quoted or dollar-quoted text, else one character.
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

/// Split where `separator` stands outside of quotes and parentheses; comments outside of quotes are
/// left out.
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

/// Reads a statement from its beginning on.
class Reader {
public:
  explicit Reader(std::string_view text) : text_(text) { skip_space(); }

  /// Takes these words when they come next, all or none.
  bool take(std::string_view words) {
    const std::string_view before = text_;
    for (Reader expected{words}; !expected.done();)
      if (word() != expected.word()) {
        text_ = before;
        return false;
      }
    return true;
  }
  bool sees(std::string_view words) const { return Reader{text_}.take(words); }

  /// A name or key word; empty where none comes next.
  std::string word() {
    std::size_t end = 0;
    while (end < text_.size() && is_word(text_[end]))
      ++end;
    return advance(end);
  }

  /// What is in the parentheses that come next; empty where none do.
  std::string parenthesised() {
    if (text_.empty() || text_.front() != '(')
      return {};
    const std::string whole = advance(end_of_parenthesis());
    return trimmed(std::string_view{whole}.substr(1, whole.size() - 2));
  }

  /// Up to the first of the key words, or the end.
  std::string until_one_of(const auto& words) {
    std::size_t end = 0;
    while (end < text_.size()) {
      const Reader rest{text_.substr(end)};
      const bool begins_word = end == 0 || !is_word(text_[end - 1]);
      if (begins_word && std::any_of(words.begin(), words.end(),
                                     [&](std::string_view each) { return rest.sees(each); }))
        break;
      end = text_[end] == '(' ? end + Reader{text_.substr(end)}.end_of_parenthesis()
                              : end_of_piece(text_, end);
    }
    return trimmed(advance(end));
  }

  bool done() const { return text_.empty(); }
  std::string rest() const { return trimmed(text_); }

private:
  std::size_t end_of_parenthesis() const {
    int depth = 0;
    for (std::size_t at = 0; at < text_.size();) {
      depth += text_[at] == '(' ? 1 : text_[at] == ')' ? -1 : 0;
      at = end_of_piece(text_, at);
      if (depth == 0)
        return at;
    }
    throw std::logic_error("db/schema: a parenthesis is open at the end");
  }
  std::string advance(std::size_t count) {
    std::string taken{text_.substr(0, count)};
    text_.remove_prefix(count);
    skip_space();
    return taken;
  }
  void skip_space() {
    while (!text_.empty() && is_space(text_.front()))
      text_.remove_prefix(1);
  }

  std::string_view text_;
};

constexpr std::array<std::string_view, 7> kColumnWords{
    "NOT NULL", "NULL", "DEFAULT", "PRIMARY KEY", "UNIQUE", "REFERENCES", "CHECK"};

/// What follows a column's name: its type, default and constraints. Keys and references go to
/// `table`.
wanted::Column read_column(Reader reader, wanted::Table& table) {
  wanted::Column column;
  column.name = reader.word();
  column.type = reader.until_one_of(kColumnWords);
  while (!reader.done()) {
    if (reader.take("NOT NULL")) {
      column.not_null = true;
    } else if (reader.take("DEFAULT")) {
      column.preset = reader.until_one_of(kColumnWords);
    } else if (reader.take("PRIMARY KEY")) {
      column.not_null = true;
      table.keys.push_back({column.name});
    } else if (reader.take("UNIQUE")) {
      table.keys.push_back({column.name});
    } else if (reader.take("REFERENCES")) {
      auto& reference = table.references.emplace_back();
      reference.column = column.name;
      reference.to_table = reader.word();
      reference.to_column = reader.parenthesised();
      const std::string action = reader.until_one_of(kColumnWords);
      reference.cascades = action == "ON DELETE CASCADE";
    } else { // NULL, CHECK (…): nothing that is looked up
      reader.word();
      reader.until_one_of(kColumnWords);
    }
  }
  return column;
}

wanted::Table read_table(Reader& reader) {
  wanted::Table table;
  reader.take("IF NOT EXISTS");
  table.name = reader.word();
  for (const std::string& item : split(reader.parenthesised(), ',')) {
    Reader part{item};
    if (part.take("UNIQUE") || part.take("PRIMARY KEY"))
      table.keys.push_back(split(part.parenthesised(), ','));
    else if (!part.sees("CONSTRAINT") && !part.sees("CHECK") && !part.sees("FOREIGN KEY"))
      table.columns.push_back(read_column(part, table));
  }
  return table;
}

wanted::Index read_index(Reader& reader, bool unique) {
  wanted::Index index;
  index.unique = unique;
  reader.take("IF NOT EXISTS");
  index.name = reader.word();
  reader.take("ON");
  index.table = reader.word();
  index.columns = reader.parenthesised();
  if (reader.take("WHERE"))
    index.predicate = reader.rest();
  return index;
}

std::vector<std::string> read_labels(const std::string& list) {
  std::vector<std::string> labels;
  for (const std::string& quoted : split(list, ','))
    labels.push_back(quoted.substr(1, quoted.size() - 2));
  return labels;
}

/// `ADD COLUMN IF NOT EXISTS …, ADD COLUMN IF NOT EXISTS …`; nothing when anything else is there.
std::vector<wanted::Column> read_added_columns(const std::string& actions) {
  std::vector<wanted::Column> columns;
  wanted::Table unused;
  for (const std::string& action : split(actions, ',')) {
    Reader part{action};
    if (!part.take("ADD COLUMN"))
      return {};
    part.take("IF NOT EXISTS");
    columns.push_back(read_column(part, unused));
  }
  return columns;
}

decltype(Statement::what) read(const std::string& sql) {
  Reader reader{sql};
  if (reader.take("ALTER TABLE")) {
    wanted::AddedColumns added{reader.word(), {}};
    if (reader.take("RENAME TO"))
      return wanted::Renamed{true, added.table, reader.word()};
    added.columns = read_added_columns(reader.rest());
    if (!added.columns.empty())
      return added;
  } else if (reader.take("ALTER INDEX")) {
    wanted::Renamed renamed{false, reader.word(), {}};
    if (reader.take("RENAME TO")) {
      renamed.to = reader.word();
      return renamed;
    }
  } else if (reader.take("ALTER TYPE")) {
    wanted::Enum type{reader.word(), {}, true};
    if (reader.take("ADD VALUE")) {
      reader.take("IF NOT EXISTS");
      type.labels = read_labels(reader.rest());
      return type;
    }
  } else if (reader.take("CREATE TYPE")) {
    wanted::Enum type{reader.word(), {}, false};
    if (reader.take("AS ENUM")) {
      type.labels = read_labels(reader.parenthesised());
      return type;
    }
  } else if (reader.take("CREATE TABLE") || reader.take("CREATE UNLOGGED TABLE")) {
    return read_table(reader);
  } else if (reader.take("CREATE UNIQUE INDEX")) {
    return read_index(reader, true);
  } else if (reader.take("CREATE INDEX")) {
    return read_index(reader, false);
  } else if (reader.take("CREATE OR REPLACE FUNCTION") || reader.take("CREATE FUNCTION")) {
    return wanted::Function{reader.word()};
  } else if (reader.take("CREATE OR REPLACE TRIGGER")) {
    wanted::Trigger trigger{reader.word(), {}};
    reader.until_one_of(std::array<std::string_view, 1>{"ON"});
    reader.take("ON");
    trigger.table = reader.word();
    return trigger;
  }
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
