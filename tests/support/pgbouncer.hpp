#pragma once
#include "tests/support/postgres.hpp"
#include "tests/support/process.hpp"
#include "tests/support/temp_folder.hpp"

#include <optional>
#include <string>

namespace regroup::test {

/// A PgBouncer in front of a Postgres with `Options::tcp`, ended by the destructor.
class Pgbouncer {
public:
  /// `pool_mode`: "transaction", "statement" or "session". `settings`: further lines of its file.
  Pgbouncer(const Postgres& server, const std::string& pool_mode, const std::string& settings = {});

  /// Settings with which it keeps no prepared statements over a transaction's end: from
  /// version 1.21 on it can, and 1.18 of Debian 12 does not know the setting.
  static std::string without_prepared_statements();

  /// The url of a database of the server's, through the pooler.
  std::string url(const std::string& database) const;

  std::string log() const { return process_->output() + process_->errors(); }

private:
  TempFolder folder_;
  unsigned port_;
  std::optional<Process> process_;
};

} // namespace regroup::test
