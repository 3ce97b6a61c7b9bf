#pragma once
#include "db/embedded/embedded_postgres.hpp"
#include "tests/support/temp_folder.hpp"

#include <filesystem>
#include <map>
#include <optional>
#include <string>

namespace regroup::test {

/// A throw-away PostgreSQL in a folder of its own, ended and removed by the destructor. Made from a
/// copy of one initialised folder, which is kept in the folder that the environment variable
/// REGROUP_TEST_CACHE names, else under the system's temporary one. To be made in the main thread.
class Postgres {
public:
  struct Options {
    std::map<std::string, std::string> settings; // {"log_statement", "all"}, ...
    bool durable = false;                 // with fsync; a killed process loses nothing either way
    bool tcp = false;                     // listens on 127.0.0.1 as well, for poolers
    std::string trusted_network{};        // "10.0.0.0/8": may connect as well, without a password
    const Postgres* standby_of = nullptr; // a streaming standby of that one, in hot standby
    std::filesystem::path wal_folder{};   // there, and empty: the WAL, in segments of 1 MB
  };

  Postgres();
  explicit Postgres(const Options& options);
  ~Postgres();

  /// As the superuser `postgres`, over the Unix socket; the same after restart().
  std::string url(const std::string& database = "postgres") const;

  /// A new empty database; its url.
  std::string create_database();

  /// Stops it in order where it runs, and starts it again in the same place.
  void restart();

  /// SIGKILL to the postmaster alone; its backends notice and end. restart() brings it back.
  void kill9();

  /// The same to the postmaster and all its children at once, as when the machine is lost.
  void kill9_all();

  /// SIGSTOP and SIGCONT to the postmaster and all its children: the server is there, and silent.
  void stop_signal();
  void continue_signal();

  pid_t pid() const;

  /// The port of `Options::tcp`, else 0.
  unsigned tcp_port() const { return tcp_port_; }

  /// All that the server has logged.
  std::string log() const;

private:
  void start();
  void signal_all(int number) const;

  TempFolder folder_;
  db::EmbeddedPostgres::Options options_;
  unsigned tcp_port_ = 0;
  unsigned databases_ = 0;
  std::string url_; // with the database's name missing
  std::optional<db::EmbeddedPostgres> server_;
};

/// Copies the initialised folder that every Postgres starts from: what initdb makes, with the empty
/// database `regroup`, after an orderly stop. `data` must not be there yet.
void copy_initialised_data(const std::filesystem::path& data);

} // namespace regroup::test
