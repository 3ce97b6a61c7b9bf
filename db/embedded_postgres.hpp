#pragma once
#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <string>

namespace regroup::db {

/// A private PostgreSQL: its own data folder, a Unix socket inside it, no TCP port. Made on the
/// first start, kept across restarts. When this process is root it runs as the user `postgres`,
/// since PostgreSQL refuses root.
class EmbeddedPostgres {
public:
  struct Options {
    std::filesystem::path directory;             // made when it is not there
    std::map<std::string, std::string> settings; // server settings, given on the command line
    std::chrono::milliseconds start_timeout = std::chrono::seconds{60};
  };

  /// Initialises the folder where it is empty, starts the server and waits until it answers.
  /// A server that a killed Regroup left running in the folder is taken over, not started twice.
  /// Throws std::runtime_error with one line that says what to do: no PostgreSQL programs found,
  /// a folder that is not ours, no start within the time (with the server's own last log line).
  explicit EmbeddedPostgres(Options options);

  /// Stops the server (fast shutdown: running transactions are rolled back) and waits for its end.
  ~EmbeddedPostgres();

  EmbeddedPostgres(const EmbeddedPostgres&) = delete;
  EmbeddedPostgres& operator=(const EmbeddedPostgres&) = delete;

  /// A libpq connection string for the superuser `postgres` and the given database.
  std::string url(const std::string& database = "regroup") const;

  /// The postmaster's process id.
  int pid() const;

private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

} // namespace regroup::db
