#pragma once
#include "db/patience.hpp"
#include "domain/progress.hpp"
#include "versions/libpqxx.hpp"

#include <functional>
#include <set>
#include <string>

struct pg_result;

namespace regroup::db {

/// A libpqxx connection whose libpq handle can be reached: libpqxx waits for the answer to each
/// statement, libpq need not (db/pipeline.hpp). It opens at once and never again: what broke stays
/// broken. libpq does not wait for room in the socket's buffer either (PQsetnonblocking).
class Connection final : public versions::LibpqConnection {
public:
  /// Throws pqxx::broken_connection when it cannot be opened. `patience` watches over its waits,
  /// and outlives it.
  Connection(const std::string& conninfo, Patience& patience);
  ~Connection() { patience_.forget(); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  Patience& patience() { return patience_; }

  /// What tells that the server has said something: libpq's, and only to be waited on.
  int socket() const;

  /// Whether the server says something though nothing was asked: that it ends the session, or the
  /// end itself.
  bool is_interrupted() const;

  /// Before a COMMIT; and whether PostgreSQL warned since (PostgreSQL manual, 27.2.8.3: a wait for
  /// the synchronous standby that was cancelled is a warning, SQLSTATE 01000). Notices are no
  /// warnings: triggers of other programs may say what they like.
  void forget_warnings() { heard_.warned = false; }
  bool warned() const { return heard_.warned; }

  /// Where to write how far a migration has come, which regroup_move_devices
  /// (functions/migrate.sql) says while it runs; null: nowhere.
  void tell_progress_to(domain::MigrationProgress* where) { heard_.progress = where; }

  /// The statements that pipelines have prepared in this session, by name. libpqxx has its own.
  std::set<std::string, std::less<>>& prepared() { return prepared_; }

private:
  struct Heard {
    bool warned = false;
    domain::MigrationProgress* progress = nullptr;
  };
  static void hear(void* heard, const pg_result* notice);

  Patience& patience_;
  std::set<std::string, std::less<>> prepared_;
  Heard heard_;
};

} // namespace regroup::db
