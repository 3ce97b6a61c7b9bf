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

/// Which database a server has, and its timeline, which each promotion raises. Of two servers with
/// the same database, the one with the higher timeline has replaced the other.
struct History {
  std::string system;
  std::uint32_t timeline = 0;
};

/// Returns the columns of a History as text; the timeline is NULL on a standby. A server that is
/// not PostgreSQL may not support the query.
inline constexpr const char* kAskForHistory =
    "SELECT system_identifier, CASE WHEN NOT pg_is_in_recovery() THEN "
    "('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int END "
    "FROM pg_control_system()";
std::optional<History> history_from(std::string_view system, std::string_view timeline);

/// The servers that database.url names, shared by all connections of a process. libpq tries them in
/// the url's order each time; Servers begins with the one that was connected to last, and never
/// goes back to a primary that was replaced: it may have slept meanwhile and still believe itself
/// to be the primary. Thread-safe.
class Servers {
public:
  /// Throws std::runtime_error as conninfo() does.
  explicit Servers(const config::Settings::Database& settings);

  std::size_t count() const { return conninfos_.size(); }
  /// The order in which to try them.
  std::vector<std::size_t> order() const;
  const std::string& conninfo(std::size_t server) const { return conninfos_.at(server); }

  /// Records a new connection to `server`. Returns its era, or nothing if the server was replaced:
  /// the connection must not be used then.
  std::optional<std::uint64_t> take(std::size_t server, const std::optional<History>& history);

  /// If it differs from a connection's era, that connection's server was replaced meanwhile.
  std::uint64_t era() const { return era_; }

private:
  const std::vector<std::string> conninfos_;
  mutable std::mutex mutex_;
  std::size_t preferred_ = 0;
  History newest_;
  std::atomic<std::uint64_t> era_{0};
};

} // namespace regroup::db
