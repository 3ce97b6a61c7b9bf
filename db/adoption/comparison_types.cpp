#include "db/adoption/comparison.hpp"

#include <array>

namespace regroup::db {
namespace {

/// The contract gives these no type, and Regroup writes nothing but now() into them.
constexpr std::array<std::string_view, 10> kPlainTimestampWillDo{"users.created_at",
                                                                 "users.updated_at",
                                                                 "devices.created_at",
                                                                 "devices.updated_at",
                                                                 "groups.created_at",
                                                                 "groups.updated_at",
                                                                 "group_memberships.joined_at",
                                                                 "group_memberships.updated_at",
                                                                 "api_keys.last_used_at",
                                                                 "api_keys.created_at"};

/// Slugs are cut to the width of these.
constexpr std::array<std::string_view, 2> kAnyWidthWillDo{"devices.group_id", "groups.slug"};

int width_of(const std::string& written_type) {
  const auto open = written_type.find('(');
  return open == std::string::npos ? 0 : std::stoi(written_type.substr(open + 1));
}

} // namespace

std::string type_name(const std::string& written_type) {
  const std::string name = written_type.substr(0, written_type.find('('));
  return name == "bigserial" ? "bigint" : name;
}

CatalogueNames names_of(const std::vector<wanted::Statement>& statements) {
  CatalogueNames names;
  const auto add_types = [&](const std::vector<wanted::Column>& columns) {
    for (const auto& column : columns)
      names.types.insert(type_name(column.type));
  };
  for (const auto& statement : statements) {
    if (const auto* table = std::get_if<wanted::Table>(&statement.what)) {
      names.tables.insert(table->name);
      add_types(table->columns);
    } else if (const auto* added = std::get_if<wanted::AddedColumns>(&statement.what)) {
      names.tables.insert(added->table);
      add_types(added->columns);
    } else if (const auto* index = std::get_if<wanted::Index>(&statement.what)) {
      names.tables.insert(index->table);
    } else if (const auto* renamed = std::get_if<wanted::Renamed>(&statement.what)) {
      if (renamed->is_table)
        names.tables.insert({renamed->from, renamed->to});
    } else if (const auto* type = std::get_if<wanted::Enum>(&statement.what)) {
      names.enums.insert(type->name);
    } else if (const auto* trigger = std::get_if<wanted::Trigger>(&statement.what)) {
      names.tables.insert(trigger->table);
    }
  }
  return names;
}

void Comparison::check_types(const wanted::Enum& type) {
  const auto found = have_.enums.find(type.name);
  if (found != have_.enums.end() && !found->second.is_enum)
    error("schema/column-type", "the type " + type.name + " is no enum",
          "rename it: Regroup needs an enum of that name");
}

void Comparison::check_types(const wanted::Table& wanted) {
  if (const auto* there = table(wanted.name)) {
    if (!there->ordinary)
      error("schema/table-kind", wanted.name + " is no ordinary table",
            "Regroup needs one, neither a view nor partitioned");
    if (there->row_security)
      warning("schema/row-security",
              "row level security is on for " + wanted.name +
                  ": a row that its policies hide is not there for Regroup",
              "let the policies show and take every row for the service's role");
  }
  check_column_types(wanted.name, wanted.columns);
}

void Comparison::check_types(const wanted::AddedColumns& added) {
  check_column_types(added.table, added.columns);
}

void Comparison::check_column_types(const std::string& in,
                                    const std::vector<wanted::Column>& columns) {
  for (const auto& wanted : columns)
    if (const auto* there = column(in, wanted.name)) {
      if (!type_fits(dotted(in, wanted.name), *there, wanted.type))
        error("schema/column-type",
              dotted(in, wanted.name) + " is " + there->shown + ", and must be " + wanted.type,
              "give it that type, or give its table another name");
      else
        check_width(in, wanted, *there);
    }
}

bool Comparison::type_fits(const std::string& name, const Catalogue::Column& there,
                           const std::string& wanted_type) const {
  const auto known = have_.canonical.find(type_name(wanted_type));
  if (known == have_.canonical.end())
    return false; // an enum that does not exist yet: the column has another type
  const std::string& wanted = known->second;
  constexpr std::array<std::string_view, 2> texts{"text", "character varying"};
  constexpr std::array<std::string_view, 3> numbers{"smallint", "integer", "bigint"};
  return there.type == wanted || (is_one_of(texts, wanted) && is_one_of(texts, there.type)) ||
         (is_one_of(numbers, wanted) && is_one_of(numbers, there.type)) ||
         (there.type == "timestamp without time zone" && is_one_of(kPlainTimestampWillDo, name)) ||
         (there.type == "citext" && name == "users.email");
}

void Comparison::check_width(const std::string& in, const wanted::Column& wanted,
                             const Catalogue::Column& there) {
  const std::string name = dotted(in, wanted.name);
  int needed = width_of(wanted.type);
  if (there.width == 0 || there.width >= needed || is_one_of(kAnyWidthWillDo, name))
    return;
  if (name == dotted(kAudit, "registration_group_id")) {
    // It is wide enough if it is as wide as the column that it is copied from.
    const auto* source = column("devices", "group_id");
    if (source && source->width != 0 && source->width <= there.width)
      return;
  }
  const std::string what =
      name + " is " + there.shown + ", and must take " + std::to_string(needed) + " characters";
  const std::string remedy = "ALTER TABLE " + in + " ALTER COLUMN " + wanted.name + " TYPE " +
                             wanted.type + " (it rewrites nothing)";
  if (in == "devices" || in == "users" || in == "api_keys")
    warning("schema/column-width", what + ": longer ones are answered 500", remedy);
  else
    error("schema/column-width", what, remedy);
}

bool Comparison::has_error(std::string_view code) const {
  return std::any_of(out_.findings.begin(), out_.findings.end(),
                     [&](const auto& each) { return each.code == code; });
}

} // namespace regroup::db
