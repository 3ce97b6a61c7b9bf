#pragma once
#include "config/settings.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

struct pg_conn;

namespace regroup::db {

/// Which database a server has, and how often one was promoted in its past. Of two servers with the
/// same database the one with the lower timeline was replaced by the other.
struct History {
  std::string system;
  std::uint32_t timeline = 0;
};

/// Its answer has the columns of a History, in text, or NULL where the server is a standby. A
/// server that is no PostgreSQL may not know it.
inline constexpr const char* kAskForHistory =
    "SELECT system_identifier, CASE WHEN NOT pg_is_in_recovery() THEN "
    "('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int END "
    "FROM pg_control_system()";
std::optional<History> history_from(std::string_view system, std::string_view timeline);

/// The servers that database.url names, for all connections of a process. libpq tries them one
/// after the other each time; this one begins with the server that was writable last, and never
/// goes back to a primary that was replaced: it may have slept meanwhile, and believe itself to be
/// the primary still. Thread-safe.
class Servers {
public:
  /// Throws std::runtime_error as conninfo() does.
  explicit Servers(const config::Settings::Database& settings);

  std::size_t count() const { return conninfos_.size(); }
  /// In the order in which they are to be tried.
  std::vector<std::size_t> order() const;
  const std::string& conninfo(std::size_t server) const { return conninfos_.at(server); }

  /// Of a new connection: the era that it belongs to. Nothing: the server was replaced.
  std::optional<std::uint64_t> take(std::size_t server, const std::optional<History>& history);

  /// Another one than that of a connection: its server was replaced meanwhile.
  std::uint64_t era() const { return era_; }

private:
  const std::vector<std::string> conninfos_;
  mutable std::mutex mutex_;
  std::size_t preferred_ = 0;
  History newest_;
  std::atomic<std::uint64_t> era_{0};
};

} // namespace regroup::db
