#include "db/embedded/postgres_programs.hpp"

#include "db/embedded/child_process.hpp"

#include <algorithm>
#include <functional>
#include <iterator>
#include <optional>
#include <set>
#include <sstream>
#include <stdexcept>
#include <unistd.h>
#include <vector>

namespace regroup::db {
namespace {

namespace fs = std::filesystem;

constexpr int kOldestMajor = 15;

std::set<fs::path> candidate_folders() {
  std::set<fs::path> folders;
  if (const auto postgres = find_on_path("postgres"))
    folders.insert(postgres->parent_path());
  if (const auto pg_config = find_on_path("pg_config")) {
    auto folder = output_of({pg_config->string(), "--bindir"});
    folder.erase(std::min(folder.find('\n'), folder.size()));
    if (!folder.empty())
      folders.insert(folder);
  }
  std::error_code none;
  for (const auto& version : fs::directory_iterator{"/usr/lib/postgresql", none})
    folders.insert(version.path() / "bin");
  return folders;
}

/// Parses `postgres --version`: "postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)".
std::optional<PostgresPrograms> programs_in(const fs::path& folder) {
  PostgresPrograms found{folder / "initdb", folder / "postgres", 0, {}};
  if (::access(found.initdb.c_str(), X_OK) != 0 || ::access(found.postgres.c_str(), X_OK) != 0)
    return std::nullopt;
  std::istringstream said{output_of({found.postgres.string(), "--version"})};
  std::string name, product;
  if (!(said >> name >> product >> found.version) || product != "(PostgreSQL)")
    return std::nullopt;
  std::istringstream{found.version} >> found.major; // 0 if it is not a number: never fits
  return found;
}

std::optional<PostgresPrograms> newest(const std::function<bool(const PostgresPrograms&)>& fits) {
  std::vector<PostgresPrograms> found;
  for (const auto& folder : candidate_folders())
    if (auto programs = programs_in(folder); programs && fits(*programs))
      found.push_back(std::move(*programs));
  const auto best = std::max_element(
      found.begin(), found.end(), [](const auto& a, const auto& b) { return a.major < b.major; });
  return best == found.end() ? std::nullopt : std::optional{*best};
}

} // namespace

PostgresPrograms find_postgres_programs() {
  if (auto found = newest([](const auto& programs) { return programs.major >= kOldestMajor; }))
    return *found;
  throw std::runtime_error{"no PostgreSQL " + std::to_string(kOldestMajor) +
                           " or later is installed (programs initdb and postgres): install the "
                           "package postgresql, or set database.url"};
}

PostgresPrograms find_postgres_programs(int major) {
  if (auto found = newest([major](const auto& programs) { return programs.major == major; }))
    return *found;
  throw std::runtime_error{"the data folder was made by PostgreSQL " + std::to_string(major) +
                           ", which is not installed: install the package postgresql-" +
                           std::to_string(major)};
}

} // namespace regroup::db
