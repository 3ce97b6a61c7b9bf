#pragma once
#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <string>

namespace regroup::db {

/// A private PostgreSQL: its own folder, a Unix socket inside it, no TCP port. Made on the first
/// start, kept across restarts. When this process is root it runs as the user `postgres`, since
/// PostgreSQL refuses root.
///
/// In the folder: `data` (PostgreSQL's own), `socket` (open to the server's user alone; where that
/// path is too long for a socket, a folder under the system's temporary one takes its place), and
/// `server.log`. Other files may lie beside them.
class EmbeddedPostgres {
public:
  struct Options {
    std::filesystem::path directory;             // made when it is not there, with its parents
    std::map<std::string, std::string> settings; // server settings, given on the command line
    std::chrono::milliseconds start_timeout = std::chrono::seconds{60};
  };

  /// Initialises the folder where it is empty, starts the server, waits until it answers, and makes
  /// the database `regroup` where it is missing. Two things may be there already:
  /// - a server that a killed Regroup left behind is stopped first, with nothing lost;
  /// - the server of a Regroup that lives (`regroup serve`, when this is `regroup demo`) is used,
  ///   and is left running by the destructor.
  ///
  /// The thread that calls this must live as long as the object, best the main thread: the kernel
  /// stops the server when that thread is gone, so that a killed Regroup leaves none behind.
  /// Throws std::runtime_error with one line that says what to do: no PostgreSQL programs found, a
  /// folder that is not ours or that the server's user cannot reach, no start within the time (with
  /// the server's own last log line).
  explicit EmbeddedPostgres(Options options);

  /// Stops the server (fast shutdown: running transactions are rolled back) and waits for its end.
  ~EmbeddedPostgres();

  EmbeddedPostgres(const EmbeddedPostgres&) = delete;
  EmbeddedPostgres& operator=(const EmbeddedPostgres&) = delete;

  /// Restarts the server when its programs or their libraries are others than those that it was
  /// started from, and have been the same at two calls in a row: an upgrade is over. Whether it
  /// did. From the thread that made this. Throws as the constructor does; then there is no server
  /// until a later call starts one.
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
