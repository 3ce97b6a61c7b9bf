#pragma once
#include "db/patience.hpp"
#include "domain/progress.hpp"
#include "versions/libpqxx.hpp"

#include <functional>
#include <set>
#include <string>

struct pg_result;

namespace regroup::db {

/// A libpqxx connection with access to its libpq handle: libpqxx blocks for the answer to each
/// statement, libpq need not (db/pipeline.hpp). It is opened by the constructor and never
/// reconnects. libpq does not block for room in the socket's buffer either (PQsetnonblocking).
class Connection final : public versions::LibpqConnection {
public:
  /// Throws pqxx::broken_connection if it cannot be opened. `patience` watches its socket and must
  /// outlive it.
  Connection(const std::string& conninfo, Patience& patience);
  ~Connection() { patience_.forget(); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  Patience& patience() { return patience_; }

  /// libpq's socket, only for waiting until the server has sent something.
  int socket() const;

  /// Whether the server has sent something although no statement is running: that it ends the
  /// session, or the end of the connection itself.
  bool is_interrupted() const;

  /// Call forget_warnings() before a COMMIT; warned() then tells whether PostgreSQL has warned
  /// since (PostgreSQL manual, 27.2.8.3: a cancelled wait for the synchronous standby is a warning,
  /// SQLSTATE 01000). Notices are not warnings: triggers of other programs may send any.
  void forget_warnings() { heard_.warned = false; }
  bool warned() const { return heard_.warned; }

  /// Where to write how far a migration has come, which regroup_move_devices
  /// (functions/migrate.sql) reports while it runs; null: nowhere.
  void tell_progress_to(domain::MigrationProgress* where) { heard_.progress = where; }

  /// Names of the statements that pipelines have prepared in this session. libpqxx keeps its own.
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
