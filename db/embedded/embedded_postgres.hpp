#pragma once
#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <string>

namespace regroup::db {

/// A private PostgreSQL with its own folder, a Unix socket inside it, and no TCP port. It is
/// created on the first start and kept across restarts. If this process is root, the server runs as
/// the user `postgres`, since PostgreSQL refuses root.
///
/// The folder holds `data` (PostgreSQL's own), `socket` (only the server's user can enter it; if
/// the path is too long for a socket, a folder under the system's temporary one takes its place),
/// and `server.log`. Other files may lie beside them.
class EmbeddedPostgres {
public:
  struct Options {
    std::filesystem::path directory;             // created if missing, with its parents
    std::map<std::string, std::string> settings; // server settings, given on the command line
    std::chrono::milliseconds start_timeout = std::chrono::seconds{60};
  };

  /// Initialises the folder if it is empty, starts the server, waits until it answers, and creates
  /// the database `regroup` if it is missing. A server may be there already:
  /// - one that a killed Regroup left behind is stopped first, with nothing lost;
  /// - one of a Regroup that lives (`regroup serve`, when this is `regroup demo`) is used, and the
  ///   destructor leaves it running.
  ///
  /// The calling thread must live as long as the object, so call it best on the main thread: the
  /// kernel stops the server when that thread is gone, so that a killed Regroup leaves none behind.
  /// Throws std::runtime_error with one line that says what to do: no PostgreSQL programs found, a
  /// folder that is not ours or that the server's user cannot reach, no start in time (with the
  /// server's own last log line).
  explicit EmbeddedPostgres(Options options);

  /// Stops the server (fast shutdown: running transactions are rolled back) and waits for its end.
  ~EmbeddedPostgres();

  EmbeddedPostgres(const EmbeddedPostgres&) = delete;
  EmbeddedPostgres& operator=(const EmbeddedPostgres&) = delete;

  /// Restarts the server if its programs or their libraries were replaced since it was started, and
  /// were the same at two calls in a row, so that an upgrade is over. Returns whether it did. Call
  /// it on the thread that made this object. Throws as the constructor does; then there is no
  /// server until a later call starts one.
  bool restart_if_replaced();

  /// A libpq connection string for the superuser `postgres` and the given database.
  std::string url(const std::string& database = "regroup") const;

  /// The postmaster's process id.
  int pid() const;

private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

} // namespace regroup::db
