#include "db/adoption/row_checks.hpp"

#include "versions/libpqxx.hpp"

#include <pqxx/except>
#include <pqxx/result>
#include <pqxx/subtransaction>

namespace regroup::db {

std::string imagined_row(pqxx::work& work, const std::string& table, const Values& values) {
  std::string row;
  for (const auto& column : versions::exec_params(
           work,
           "SELECT a.attname, quote_ident(a.attname), "
           "coalesce(pg_get_expr(d.adbin, d.adrelid), 'NULL'), "
           // A domain's base type: its own CHECKs are not the table's.
           "format_type(coalesce(nullif(t.typbasetype, 0), t.oid), "
           "  CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE a.atttypmod END), "
           "EXISTS (SELECT FROM pg_constraint c WHERE c.conrelid = a.attrelid "
           "  AND c.contype = 'c' AND a.attnum = ANY (c.conkey)) "
           "FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid "
           "LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum "
           "WHERE a.attrelid = $1::regclass AND a.attnum > 0 AND NOT a.attisdropped "
           "AND a.attgenerated = ''",
           table)) {
    const auto given = values.find(column[0].c_str());
    if (given == values.end() && !column[4].as<bool>())
      continue;
    const std::string value = given == values.end() ? column[2].c_str() : given->second;
    row += (row.empty() ? "(" : ", (") + value + ")::" + column[3].c_str() + " AS " +
           column[1].c_str();
  }
  return row;
}

namespace {

/// Whether `expression` is false for the row of the SELECT list; NULL passes a CHECK.
bool is_false(pqxx::subtransaction& trial, const std::string& expression, const std::string& row) {
  return trial.exec("SELECT (" + expression + ") IS FALSE FROM (SELECT " + row + ") new_row")
      .at(0)
      .front()
      .as<bool>();
}

} // namespace

std::vector<std::string> broken_checks(pqxx::work& work, const std::string& table,
                                       const Values& values) {
  const auto checks = versions::exec_params(work,
                                            "SELECT conname, pg_get_expr(conbin, conrelid) "
                                            "FROM pg_constraint WHERE conrelid = $1::regclass "
                                            "AND contype = 'c' ORDER BY conname",
                                            table);
  std::vector<std::string> broken;
  if (checks.empty())
    return broken;
  const std::string row = imagined_row(work, table, values);
  for (const auto& check : checks)
    try {
      pqxx::subtransaction trial{work};
      if (is_false(trial, check[1].c_str(), row))
        broken.emplace_back(check[0].c_str());
    } catch (const pqxx::sql_error&) {
      continue; // it calls what this role may not, or reads a generated column
    }
  return broken;
}

} // namespace regroup::db
