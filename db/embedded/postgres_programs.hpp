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

/// The newest installed PostgreSQL (15 or later), or the newest of one major version, since only
/// the major version that made a data folder can read it. Searches the PATH, the folder that
/// `pg_config` names, and where Debian installs it. Throws std::runtime_error with one line.
PostgresPrograms find_postgres_programs();
PostgresPrograms find_postgres_programs(int major);

} // namespace regroup::db
