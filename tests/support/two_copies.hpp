#pragma once
#include <libpq-fe.h>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace regroup::test {

/// A copy of a database, as a program that knows nothing of Regroup sees it.
///
/// What differs between any two runs is evened out in what it answers: an id by the name that was
/// given to it, or "an id" if it has none, and a time of today by "now". The rows that were there
/// before the test are of 2020, and their ids, which begin with zeros, stay.
class Copy {
public:
  explicit Copy(const std::string& url);

  /// A parameter that is NULL.
  static constexpr const char* kNull = "\\N";

  /// The rows of a statement, a line each, or its count of rows if it has none to show, or what it
  /// failed with: SQLSTATE and constraint. `{name}` in a parameter stands for the id of that name.
  /// `name`, unless empty, is given to the id in the first column of the first row.
  std::string run(const std::string& statement, const std::vector<std::string>& parameters = {},
                  const std::string& name = {});

  /// The rows of a table in the columns given, in an order that two copies share.
  std::string rows(const std::string& table, const std::string& columns);

  /// Calls an id by a name from now on.
  void call(const std::string& id, const std::string& name);

private:
  std::string evened(const PGresult& result) const;
  std::string filled(std::string parameter) const;

  std::unique_ptr<PGconn, decltype(&PQfinish)> connection_;
  std::map<std::string, std::string> names_; // by id
};

} // namespace regroup::test
