#pragma once
#include <pqxx/transaction>

#include <map>
#include <string>
#include <vector>

namespace regroup::db {

/// SQL expressions for columns of a row that is imagined.
using Values = std::map<std::string, std::string>;

/// A SELECT list that gives a row as an INSERT of `values` would make it: the other columns have
/// their defaults, or are NULL. Of a table that is there, and only the columns that its CHECKs read
/// and `values` names. PostgreSQL can be asked what it thinks of a row that nobody has written.
std::string imagined_row(pqxx::work& work, const std::string& table, const Values& values);

/// The table's CHECKs, by name, that such a row would break. One that cannot be evaluated breaks
/// none.
std::vector<std::string> broken_checks(pqxx::work& work, const std::string& table,
                                       const Values& values);

} // namespace regroup::db
