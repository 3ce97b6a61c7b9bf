#pragma once
#include "db/child_process.hpp"
#include "db/postgres_programs.hpp"

#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>

namespace regroup::db {

/// Where a server lives and as whom it runs.
struct ServerPlace {
  std::filesystem::path data;     // PostgreSQL's own folder
  std::filesystem::path log;      // appended to; put aside as `.old` at a start when over 16 MiB
  std::filesystem::path socket;   // folder of its Unix socket
  std::string port = "5432";      // part of the socket's name
  std::optional<Account> account; // nobody given: this process's user

  /// A libpq connection string for the superuser `postgres`.
  std::string url(const std::string& database) const;

  /// Whether a server answers there and takes connections.
  bool answers() const;
};

/// Makes `place.data`, under another name until it is whole, so that a kill in the middle leaves
/// nothing to repair. Throws std::runtime_error with one line.
void initialise_data(const ServerPlace& place, const PostgresPrograms& programs,
                     std::chrono::milliseconds patience);

/// A PostgreSQL server as a child of this process, in a process group of its own. The kernel stops
/// it when the thread that started it ends.
class PostgresServer {
public:
  using Settings = std::map<std::string, std::string>;

  /// Waits until it answers. Throws std::runtime_error with the server's own last log line.
  PostgresServer(const ServerPlace& place, const PostgresPrograms& programs,
                 const Settings& settings, std::chrono::milliseconds patience);

  /// Fast shutdown; an immediate one when that takes over 30 s.
  ~PostgresServer();

  PostgresServer(const PostgresServer&) = delete;
  PostgresServer& operator=(const PostgresServer&) = delete;

  pid_t pid() const { return process_->pid(); }

private:
  std::unique_ptr<ChildProcess> process_;
};

/// Stops a server that is not our child, and waits for its end: the patience of PostgresServer.
/// False when it is still there.
bool stop_server(pid_t postmaster, const std::filesystem::path& data);

} // namespace regroup::db
