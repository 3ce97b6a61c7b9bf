#pragma once
#include <filesystem>
#include <string>

namespace regroup::db {

/// The programs of one installed PostgreSQL.
struct PostgresPrograms {
  std::filesystem::path initdb;
  std::filesystem::path postgres;
  int major;           // 15
  std::string version; // "15.20"
};

/// The newest installed PostgreSQL (15 or later), or the newest of one major version, since a data
/// folder can be read by the major version alone that made it. Looked for on the PATH, where
/// `pg_config` says, and where Debian installs it. Throws std::runtime_error with one line.
PostgresPrograms find_postgres_programs();
PostgresPrograms find_postgres_programs(int major);

} // namespace regroup::db
