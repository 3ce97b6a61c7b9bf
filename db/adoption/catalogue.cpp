#include "db/adoption/catalogue.hpp"

#include "versions/libpqxx.hpp"

#include <pqxx/array>
#include <pqxx/result>

#include <stdexcept>

namespace regroup::db {
namespace {

/// For Regroup's own names and types: none needs quotes.
std::string array_text(const std::set<std::string>& names) {
  std::string text = "{";
  for (const auto& name : names)
    text += (text.size() > 1 ? ",\"" : "\"") + name + "\"";
  return text + "}";
}

std::vector<std::string> array(const pqxx::field& field) {
  std::vector<std::string> items;
  pqxx::array_parser parser{field.c_str()}; // UTF-8: a quote is never part of another character
  for (auto next = parser.get_next(); next.first != pqxx::array_parser::juncture::done;
       next = parser.get_next())
    if (next.first == pqxx::array_parser::juncture::string_value)
      items.push_back(next.second);
  return items;
}

std::set<std::string> as_set(const pqxx::field& field) {
  const auto items = array(field);
  return {items.begin(), items.end()};
}

void read_role(pqxx::work& work, Catalogue& found) {
  const auto row =
      work.exec("SELECT current_user, current_schema(), current_schema() IS NOT NULL "
                "AND has_schema_privilege(current_schema(), 'CREATE'), "
                "EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass('regroup_schema') "
                "AND attname = 'name'), "
                "coalesce(has_table_privilege(to_regclass('regroup_schema'), 'SELECT'), true), "
                "quote_ident(current_schema()), "
                "(SELECT rolsuper FROM pg_roles WHERE rolname = current_user)")
          .at(0);
  if (row[1].is_null())
    throw std::runtime_error("database: no schema of the role's search_path is there");
  found.role = row[0].c_str();
  found.schema = row[1].c_str();
  found.may_create = row[2].as<bool>();
  found.reads_record = row[4].as<bool>();
  found.quoted_schema = row[5].c_str();
  found.is_superuser = row[6].as<bool>();
  if (row[3].as<bool>() && found.reads_record)
    for (const auto& step : work.exec("SELECT name FROM regroup_schema"))
      found.recorded.insert(step[0].c_str());
}

void read_tables(pqxx::work& work, const std::string& names, Catalogue& found) {
  for (const auto& row : versions::exec_params(
           work,
           "SELECT w.name, pg_get_userbyid(c.relowner), pg_has_role(c.relowner, 'USAGE'), "
           "c.relkind = 'r', c.relrowsecurity, "
           "EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgenabled <> 'D' "
           "  AND t.tgtype & 7 = 7), " // a row's, BEFORE, INSERT
           "c.relnamespace::regnamespace::text, has_any_column_privilege(c.oid, 'SELECT') "
           "FROM unnest($1::text[]) w(name) JOIN pg_class c ON c.oid = to_regclass(w.name)",
           names)) {
    auto& table = found.tables[row[0].c_str()];
    table.owner = row[1].c_str();
    table.may_alter = row[2].as<bool>();
    table.ordinary = row[3].as<bool>();
    table.row_security = row[4].as<bool>();
    table.fills_rows = row[5].as<bool>();
    table.schema = row[6].c_str();
    table.may_read = row[7].as<bool>();
  }
  for (const auto& row : versions::exec_params(
           work,
           "SELECT w.name, a.attname, format_type(b.base, NULL), "
           "format_type(a.atttypid, a.atttypmod), "
           "CASE WHEN b.base IN ('varchar'::regtype, 'bpchar'::regtype) AND b.modifier > 4 "
           "  THEN b.modifier - 4 ELSE 0 END, " // less the 4 bytes of a header
           "a.attnotnull OR t.typnotnull, "
           "a.atthasdef OR a.attidentity <> '' OR t.typdefault IS NOT NULL, "
           "EXISTS (SELECT FROM pg_index i WHERE i.indrelid = a.attrelid AND i.indisprimary "
           "  AND a.attnum = ANY (i.indkey)), a.atthasmissing "
           "FROM unnest($1::text[]) w(name) "
           "JOIN pg_attribute a ON a.attrelid = to_regclass(w.name) "
           "JOIN pg_type t ON t.oid = a.atttypid "
           "CROSS JOIN LATERAL (SELECT coalesce(nullif(t.typbasetype, 0), t.oid), "
           "  CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE a.atttypmod END) b(base, modifier) "
           "WHERE a.attnum > 0 AND NOT a.attisdropped",
           names)) {
    auto& column = found.tables.at(row[0].c_str()).columns[row[1].c_str()];
    column.type = row[2].c_str();
    column.shown = row[3].c_str();
    column.width = row[4].as<int>();
    column.not_null = row[5].as<bool>();
    column.has_default = row[6].as<bool>();
    column.in_primary_key = row[7].as<bool>();
    column.added_later = row[8].as<bool>();
  }
}

void read_indexes(pqxx::work& work, const std::string& names, Catalogue& found) {
  for (const auto& row : versions::exec_params(
           work,
           "SELECT w.name, c.relname, i.indisvalid AND i.indisready, i.indisunique, "
           "i.indisvalid AND i.indisunique AND i.indimmediate AND i.indpred IS NULL "
           "  AND i.indexprs IS NULL, "
           "ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = i.indrelid "
           "  AND a.attnum = ANY (i.indkey[0:i.indnkeyatts - 1])), "
           "ARRAY(SELECT a.attname::text FROM unnest(i.indkey[0:i.indnkeyatts - 1]) "
           "  WITH ORDINALITY k(number, place) JOIN pg_attribute a ON a.attrelid = i.indrelid "
           "  AND a.attnum = k.number ORDER BY k.place), "
           "coalesce(pg_get_expr(i.indpred, i.indrelid), ''), "
           "i.indexprs IS NULL AND m.amname = 'btree' AND NOT EXISTS (SELECT FROM "
           "  unnest(i.indclass::oid[]) o(id) JOIN pg_opclass p ON p.oid = o.id "
           "  WHERE NOT p.opcdefault) "
           "FROM unnest($1::text[]) w(name) JOIN pg_index i ON i.indrelid = to_regclass(w.name) "
           "JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam",
           names)) {
    auto& index = found.indexes[row[1].c_str()];
    index.table = row[0].c_str();
    index.valid = row[2].as<bool>();
    index.unique = row[3].as<bool>();
    index.arbiter = row[4].as<bool>();
    index.columns = as_set(row[5]);
    index.keys = array(row[6]);
    index.predicate = row[7].c_str();
    index.plain = row[8].as<bool>();
  }
}

void read_references(pqxx::work& work, const std::string& names, Catalogue& found) {
  const auto columns_of = [](const std::string& key, const std::string& relation) {
    return "ARRAY(SELECT a.attname::text FROM unnest(c." + key +
           ") WITH ORDINALITY k(number, place) JOIN pg_attribute a ON a.attrelid = c." + relation +
           " AND a.attnum = k.number ORDER BY k.place)";
  };
  for (const auto& row : versions::exec_params(
           work,
           "SELECT c.conname, w.name, " + columns_of("conkey", "conrelid") + ", r.relname, " +
               columns_of("confkey", "confrelid") +
               ", c.confdeltype, c.convalidated "
               "FROM unnest($1::text[]) w(name) "
               "JOIN pg_constraint c ON c.conrelid = to_regclass(w.name) AND c.contype = 'f' "
               "JOIN pg_class r ON r.oid = c.confrelid",
           names)) {
    auto& reference = found.references.emplace_back();
    reference.name = row[0].c_str();
    reference.table = row[1].c_str();
    reference.columns = array(row[2]);
    reference.to_table = row[3].c_str();
    reference.to_columns = array(row[4]);
    reference.on_delete = row[5].c_str()[0];
    reference.validated = row[6].as<bool>();
  }
}

void read_types(pqxx::work& work, const CatalogueNames& names, Catalogue& found) {
  for (const auto& row : versions::exec_params(
           work,
           "SELECT w.name, pg_get_userbyid(t.typowner), pg_has_role(t.typowner, 'USAGE'), "
           "t.typtype = 'e', "
           "ARRAY(SELECT e.enumlabel::text FROM pg_enum e WHERE e.enumtypid = t.oid) "
           "FROM unnest($1::text[]) w(name) JOIN pg_type t ON t.oid = to_regtype(w.name)",
           array_text(names.enums))) {
    auto& type = found.enums[row[0].c_str()];
    type.owner = row[1].c_str();
    type.may_alter = row[2].as<bool>();
    type.is_enum = row[3].as<bool>();
    type.labels = as_set(row[4]);
  }
  for (const auto& row : versions::exec_params(work,
                                               "SELECT name, format_type(to_regtype(name), NULL) "
                                               "FROM unnest($1::text[]) w(name) "
                                               "WHERE to_regtype(name) IS NOT NULL",
                                               array_text(names.types)))
    found.canonical[row[0].c_str()] = row[1].c_str();
  for (const auto& row :
       versions::exec_params(work,
                             "SELECT t.tgname, coalesce(obj_description(t.oid, 'pg_trigger'), '') "
                             "FROM unnest($1::text[]) w(name) "
                             "JOIN pg_trigger t ON t.tgrelid = to_regclass(w.name)",
                             array_text(names.tables)))
    found.triggers[row[0].c_str()] = row[1].c_str();
}

/// Regroup's functions, whose names begin with regroup_, and who may execute them. NULL rights mean
/// PostgreSQL's default for a new function: PUBLIC may.
void read_functions(pqxx::work& work, Catalogue& found) {
  for (const auto& row : versions::exec_params(
           work,
           "SELECT p.proname, format('%I.%I(%s)', n.nspname, p.proname, "
           "  pg_get_function_identity_arguments(p.oid)), "
           "coalesce(obj_description(p.oid, 'pg_proc'), ''), o.rolname, "
           "pg_has_role(p.proowner, 'USAGE'), p.provolatile = 'i', r.everybody, o.rolsuper, "
           "r.roles "
           "FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace "
           "JOIN pg_roles o ON o.oid = p.proowner "
           "CROSS JOIN LATERAL (SELECT coalesce(bool_or(a.grantee = 0), false), "
           "  coalesce(array_agg(quote_ident(g.rolname)) FILTER (WHERE g.oid IS NOT NULL), '{}') "
           "  FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a "
           "  LEFT JOIN pg_roles g ON g.oid = a.grantee "
           "  WHERE a.privilege_type = 'EXECUTE') r(everybody, roles) "
           "WHERE n.nspname = $1 AND p.proname LIKE 'regroup\\_%' AND p.prokind = 'f'",
           found.schema)) {
    auto& function = found.functions[row[0].c_str()];
    function.signature = row[1].c_str();
    function.comment = row[2].c_str();
    function.owner = row[3].c_str();
    function.may_alter = row[4].as<bool>();
    function.is_open = row[5].as<bool>();
    function.everybody_may_execute = row[6].as<bool>();
    function.owner_is_superuser = row[7].as<bool>();
    function.may_execute = as_set(row[8]);
  }
  for (const auto& row :
       work.exec("SELECT DISTINCT quote_ident(g.rolname) FROM pg_class c CROSS JOIN "
                 "aclexplode(c.relacl) a "
                 "JOIN pg_roles g ON g.oid = a.grantee "
                 "WHERE c.oid = to_regclass('regroup_running') AND a.privilege_type = 'INSERT' "
                 "AND a.grantee <> c.relowner"))
    found.service_roles.insert(row[0].c_str());
}

} // namespace

Catalogue read_catalogue(pqxx::work& work, const CatalogueNames& names) {
  Catalogue found;
  const std::string tables = array_text(names.tables);
  read_role(work, found);
  read_tables(work, tables, found);
  read_indexes(work, tables, found);
  read_references(work, tables, found);
  read_types(work, names, found);
  read_functions(work, found);
  return found;
}

} // namespace regroup::db
