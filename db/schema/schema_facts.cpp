#include "db/adoption/row_checks.hpp"
#include "db/conninfo.hpp"
#include "db/schema/schema.hpp"
#include "versions/libpqxx.hpp"

#include <pqxx/connection>
#include <pqxx/except>
#include <pqxx/result>
#include <pqxx/transaction>

#include <algorithm>
#include <optional>
#include <stdexcept>

namespace regroup::db {
namespace {

/// The upper limit of limits.max_devices_per_group.
constexpr std::int64_t kMostDevices = 1000000;

std::size_t slug_width(pqxx::work& work, std::size_t ours) {
  // A varchar's width is its type modifier minus the 4 bytes of a header; text has none.
  const auto width =
      work.exec("SELECT min(CASE WHEN atttypmod > 0 THEN atttypmod - 4 END) FROM pg_attribute "
                "WHERE (attrelid, attname) IN (('devices'::regclass, 'group_id'), "
                "('groups'::regclass, 'slug'))")
          .at(0)
          .front();
  return width.is_null() ? ours : std::min(ours, width.as<std::size_t>());
}

/// A query for which numbers from $1 to $2 every CHECK on `groups.max_devices` accepts, in the
/// column `fine`. PostgreSQL itself evaluates the CHECKs, on a row with the defaults of the other
/// columns. Empty if there is no CHECK.
std::string checked_numbers(pqxx::work& work) {
  const auto checks = work.exec(
      "SELECT pg_get_expr(c.conbin, c.conrelid) FROM pg_constraint c "
      "JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attname = 'max_devices' "
      "WHERE c.conrelid = 'groups'::regclass AND c.contype = 'c' AND a.attnum = ANY (c.conkey) "
      "UNION ALL "
      "SELECT pg_get_expr(c.conbin, 0) FROM pg_constraint c " // a domain's, of VALUE
      "JOIN pg_attribute a ON a.atttypid = c.contypid AND a.attname = 'max_devices' "
      "WHERE a.attrelid = 'groups'::regclass");
  if (checks.empty())
    return {};
  std::string fine;
  for (const auto& check : checks)
    fine += (fine.empty() ? "(" : " AND (") + check[0].as<std::string>() + ") IS NOT FALSE";
  return "SELECT number, " + fine + " AS fine FROM (SELECT number, number::integer AS value, " +
         imagined_row(work, "groups", {{"max_devices", "number"}}) +
         " FROM (SELECT generate_series($1::bigint, $2::bigint) AS number) n) AS new_group";
}

std::optional<std::int64_t> first_number(pqxx::work& work, const std::string& numbers,
                                         const char* condition, std::int64_t from,
                                         std::int64_t to) {
  const auto found = versions::exec_params(
      work, "SELECT number FROM (" + numbers + ") n WHERE " + condition + " LIMIT 1", from, to);
  return found.empty() ? std::nullopt : std::optional{found.front().front().as<std::int64_t>()};
}

/// The default of `groups.max_devices`, and the largest group that it allows: the run of accepted
/// numbers that begins at the default, up to where a CHECK or the column's type ends it.
void read_max_devices(pqxx::work& work, SchemaFacts& facts) {
  const auto column =
      work.exec("SELECT pg_get_expr(d.adbin, d.adrelid), "
                "coalesce(nullif(t.typbasetype, 0), t.oid) = 'smallint'::regtype "
                "FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid "
                "LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum "
                "WHERE a.attrelid = 'groups'::regclass AND a.attname = 'max_devices'")
          .at(0);
  if (!column[0].is_null()) {
    const auto preset =
        work.exec("SELECT (" + column[0].as<std::string>() + ")::integer").at(0).front();
    facts.default_max_devices = preset.is_null() ? 0 : preset.as<int>();
  }
  if (column[1].as<bool>())
    facts.most_devices = std::numeric_limits<std::int16_t>::max();
  const std::string numbers = checked_numbers(work);
  if (numbers.empty())
    return;
  const std::int64_t end = std::min(kMostDevices, facts.most_devices);
  if (facts.default_max_devices < 1 ||
      first_number(work, numbers, "NOT fine", facts.default_max_devices,
                   facts.default_max_devices)) {
    // No default, or one that a CHECK refuses: take the smallest accepted number.
    const auto smallest = first_number(work, numbers, "fine", 1, end);
    facts.default_max_devices = static_cast<int>(smallest.value_or(0));
  }
  if (const auto refused = first_number(work, numbers, "NOT fine", facts.default_max_devices, end))
    facts.most_devices = *refused - 1;
}

} // namespace

SchemaFacts read_schema_facts(const config::Settings::Database& settings) {
  try {
    pqxx::connection connection{conninfo(settings)};
    pqxx::work work{connection};
    SchemaFacts facts;
    facts.slug_width = slug_width(work, facts.slug_width);
    read_max_devices(work, facts);
    return facts;
  } catch (const pqxx::failure& why) {
    const std::string line = why.what();
    throw std::runtime_error("database: " + line.substr(0, line.find('\n')));
  }
}

} // namespace regroup::db
