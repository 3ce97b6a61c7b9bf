#pragma once
#include <pqxx/transaction>

#include <map>
#include <string>
#include <vector>

namespace regroup::db {

/// SQL expressions for the columns of an imagined row.
using Values = std::map<std::string, std::string>;

/// A SELECT list that gives the row that an INSERT of `values` would make: the other columns have
/// their defaults, or are NULL. The table must exist; only the columns that its CHECKs read and
/// those in `values` are included. With it PostgreSQL can check a row that is not written.
std::string imagined_row(pqxx::work& work, const std::string& table, const Values& values);

/// The names of the table's CHECKs that such a row would violate. A CHECK that cannot be evaluated
/// does not count.
std::vector<std::string> broken_checks(pqxx::work& work, const std::string& table,
                                       const Values& values);

} // namespace regroup::db
