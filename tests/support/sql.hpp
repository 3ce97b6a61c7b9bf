#pragma once
#include "versions/libpqxx.hpp"

#include <pqxx/pqxx>

#include <string>

namespace regroup::test {

/// One connection that looks at a database, or prepares it, from outside of Regroup. Each statement
/// commits by itself. Throws pqxx's exceptions.
class Sql {
public:
  explicit Sql(const std::string& url) : connection_{url} {}

  template <class... Parameters>
  pqxx::result exec(const std::string& sql, const Parameters&... parameters) {
    pqxx::nontransaction session{connection_};
    if constexpr (sizeof...(parameters) == 0)
      return session.exec(sql); // may hold several statements
    else
      return versions::exec_params(session, sql, parameters...);
  }

  /// The first column of the first row: `value<int>("SELECT count(*) FROM groups")`.
  template <class T, class... Parameters>
  T value(const std::string& sql, const Parameters&... parameters) {
    return exec(sql, parameters...).at(0).at(0).template as<T>();
  }

private:
  pqxx::connection connection_;
};

/// A transaction that stays open, on a connection of its own: row locks are held until it ends.
/// Rolled back by the destructor.
class HeldTransaction {
public:
  explicit HeldTransaction(const std::string& url) : connection_{url}, work_{connection_} {}

  template <class... Parameters>
  pqxx::result exec(const std::string& sql, const Parameters&... parameters) {
    if constexpr (sizeof...(parameters) == 0)
      return work_.exec(sql);
    else
      return versions::exec_params(work_, sql, parameters...);
  }

  /// Its server process: `pid` in pg_locks and pg_stat_activity.
  int backend_pid() const { return connection_.backendpid(); }

  void commit() { work_.commit(); }
  void rollback() { work_.abort(); }

private:
  pqxx::connection connection_;
  pqxx::work work_;
};

} // namespace regroup::test
