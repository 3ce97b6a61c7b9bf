#pragma once
#include "tests/support/postgres.hpp"
#include "tests/support/process.hpp"
#include "tests/support/temp_folder.hpp"

#include <optional>
#include <string>
#include <vector>

namespace regroup::test {

/// A PgBouncer in front of a Postgres with `Options::tcp`, ended by the destructor.
class Pgbouncer {
public:
  /// `pool_mode`: "transaction", "statement" or "session". `settings`: further lines of its file.
  /// `server_port`: where that server is reached, when not at its own port.
  Pgbouncer(const Postgres& server, const std::string& pool_mode, const std::string& settings = {},
            unsigned server_port = 0);

  /// Settings with which it keeps no prepared statements over a transaction's end: from
  /// version 1.21 on it can, and 1.18 of Debian 12 does not know the setting.
  static std::string without_prepared_statements();

  /// The url of a database of the server's, through the pooler.
  std::string url(const std::string& database) const;

  unsigned port() const { return port_; }
  pid_t pid() const { return process_->pid(); }
  void signal(int number) { process_->signal(number); }

  /// SIGKILL, and it is gone; what it had read is lost.
  void kill9() { process_.reset(); }
  /// Starts it on the same port, and waits until it answers.
  void start();

  std::string log() const { return process_->output() + process_->errors(); }

private:
  TempFolder folder_;
  unsigned port_;
  std::vector<std::string> arguments_;
  std::optional<Process> process_;
};

} // namespace regroup::test
