#pragma once
#include "db/embedded/child_process.hpp"
#include "db/embedded/postgres_programs.hpp"

#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>

namespace regroup::db {

/// Where a server lives, and as which user it runs.
struct ServerPlace {
  std::filesystem::path data;     // PostgreSQL's own folder
  std::filesystem::path log;      // appended to; renamed to `.old` at a start if over 16 MiB
  std::filesystem::path socket;   // folder of its Unix socket
  std::string port = "5432";      // part of the socket's name
  std::optional<Account> account; // none: this process's user

  /// A libpq connection string for the superuser `postgres`.
  std::string url(const std::string& database) const;

  /// Whether a server there answers and accepts connections.
  bool answers() const;
};

/// Makes `place.data`, under another name until it is complete, so that a kill in between leaves
/// nothing to repair. Throws std::runtime_error with one line.
void initialise_data(const ServerPlace& place, const PostgresPrograms& programs,
                     std::chrono::milliseconds patience);

/// A PostgreSQL server as a child of this process, in its own process group. The kernel stops it
/// when the thread that started it ends.
class PostgresServer {
public:
  using Settings = std::map<std::string, std::string>;

  /// Waits until the server answers. Throws std::runtime_error with the server's own last log line.
  PostgresServer(const ServerPlace& place, const PostgresPrograms& programs,
                 const Settings& settings, std::chrono::milliseconds patience);

  /// Fast shutdown; an immediate one if that takes over 30 s.
  ~PostgresServer();

  PostgresServer(const PostgresServer&) = delete;
  PostgresServer& operator=(const PostgresServer&) = delete;

  pid_t pid() const { return process_->pid(); }

private:
  std::unique_ptr<ChildProcess> process_;
};

/// Stops a server that is not our child and waits for its end, as long as ~PostgresServer does.
/// False if it is still there.
bool stop_server(pid_t postmaster, const std::filesystem::path& data);

} // namespace regroup::db
