#include "db/adoption/comparison.hpp"

namespace regroup::db {
namespace {

using When = SchemaChange::When;

std::set<std::string> names_of_columns(const Catalogue::Table& table) {
  std::set<std::string> names;
  for (const auto& [name, column] : table.columns)
    names.insert(name);
  return names;
}

} // namespace

const wanted::Statement* Comparison::maker_of(const std::string& table_name) const {
  for (const auto& statement : statements_) {
    const auto* made = std::get_if<wanted::Table>(&statement.what);
    if (made && made->name == table_name)
      return &statement;
  }
  return nullptr;
}

std::set<std::string> Comparison::wanted_columns(const std::string& table_name) const {
  std::set<std::string> names;
  for (const auto& statement : statements_) {
    if (const auto* made = std::get_if<wanted::Table>(&statement.what);
        made && made->name == table_name)
      for (const auto& column : made->columns)
        names.insert(column.name);
    if (const auto* added = std::get_if<wanted::AddedColumns>(&statement.what);
        added && added->table == table_name)
      for (const auto& column : added->columns)
        names.insert(column.name);
  }
  return names;
}

void Comparison::carry_over() {
  const wanted::Renamed* carried = nullptr; // the table of the indexes after it
  for (const auto& statement : statements_) {
    const auto* renamed = std::get_if<wanted::Renamed>(&statement.what);
    if (!renamed)
      continue;
    if (renamed->is_table) {
      std::erase_if(have_.references, // references of another program's table, which stays as it is
                    [&](const auto& each) { return each.table == renamed->from; });
      carried =
          made_by_earlier_version(*renamed) && !is_recorded(statement.step) ? renamed : nullptr;
      if (!carried) {
        check_left_alone(*renamed);
        continue;
      }
      have_.tables[renamed->to] = have_.tables.at(renamed->from);
      for (auto& [name, index] : have_.indexes)
        if (index.table == renamed->from)
          index.table = renamed->to;
      change(When::together, "renames the table " + renamed->from + " to " + renamed->to,
             statement.sql, renamed->to);
    } else if (carried) {
      auto index = have_.indexes.extract(renamed->from);
      if (!index || index.mapped().table != carried->to)
        continue;
      index.key() = renamed->to;
      have_.indexes.insert(std::move(index));
      change(When::together, "renames the index " + renamed->from + " to " + renamed->to,
             statement.sql, carried->to);
    }
  }
}

/// Told by its columns: Regroup made each of them when it made the table. An earlier version used
/// another program's table of the same name, and added the columns that it lacked.
bool Comparison::made_by_earlier_version(const wanted::Renamed& renamed) const {
  const auto* there = table(renamed.from);
  const auto* maker = maker_of(renamed.to);
  if (!there || !there->ordinary || table(renamed.to) || !maker || !is_recorded(maker->step))
    return false;
  const auto& wanted = std::get<wanted::Table>(maker->what).columns;
  return std::all_of(there->columns.begin(), there->columns.end(), [&](const auto& each) {
    const auto found = std::find_if(wanted.begin(), wanted.end(),
                                    [&](const auto& column) { return column.name == each.first; });
    return found != wanted.end() && !each.second.added_later &&
           type_fits(dotted(renamed.from, each.first), each.second, found->type) &&
           each.second.not_null == found->not_null;
  });
}

/// Another program's table with one of Regroup's indexes: an earlier version used it as its own.
void Comparison::check_left_alone(const wanted::Renamed& renamed) {
  for (const auto& [name, index] : have_.indexes)
    if (index.table == renamed.from && name.starts_with("regroup_"))
      warning(
          "schema/left-alone",
          renamed.from + " has the index " + name +
              " of an earlier version of Regroup, and is another program's table: it is not "
              "used any more, " +
              renamed.to + " is",
          "take out of it what is Regroup's, add webhooks again where they were in it, and DROP "
          "INDEX " +
              name);
}

void Comparison::check_own_names() {
  for (const auto& [name, there] : have_.tables) {
    const auto* maker = maker_of(name);
    if (!name.starts_with("regroup_") || !maker)
      continue;
    const auto have = names_of_columns(there);
    const auto want = wanted_columns(name);
    const bool foreign = maker->step
                             ? !is_recorded(maker->step) && have != want
                             : !std::includes(have.begin(), have.end(), want.begin(), want.end());
    if (foreign)
      error("schema/foreign-table",
            "the table " + name + " is there, and Regroup has not made it: its columns are " +
                joined(have, ", "),
            "rename it: names that begin with regroup_ are Regroup's");
  }
}

} // namespace regroup::db
