#pragma once
#include "domain/log.hpp"
#include "domain/outcome.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace regroup::config {

/// All settings, with the defaults of the contract's table ("The program"). settings.cpp declares
/// each key's name, parser and help, once.
struct Settings {
  using Duration = std::chrono::milliseconds;

  struct Http {
    std::string address = "127.0.0.1";
    std::uint16_t port = 8080;
    unsigned threads = 0; // 0: one per core
    Duration request_timeout = std::chrono::seconds{30};
    std::size_t max_body_bytes = 1048576;
    std::size_t max_buffered_bytes = 67108864;
    std::size_t max_connections = 10000;
    Duration idle_timeout = std::chrono::seconds{75};
    Duration read_timeout = std::chrono::seconds{30};
    std::vector<std::string> cors_origins{};
    Duration drain_delay = std::chrono::seconds{5};
    Duration drain_timeout = std::chrono::seconds{30};
  } http;

  struct Database {
    std::string url; // empty: the embedded PostgreSQL
    std::string embedded_dir = "data/postgres";
    unsigned pool_size = 8;
    std::size_t queue_limit = 1000;
    Duration lock_timeout = std::chrono::seconds{2};
    Duration statement_timeout = std::chrono::seconds{10};
    Duration idle_in_transaction_timeout = std::chrono::seconds{5};
    Duration connect_timeout = std::chrono::seconds{5};
    Duration tcp_user_timeout = std::chrono::seconds{10};
    /// Whether statements are planned once a session, under a name. `when_ours`: in sessions whose
    /// backend serves no other client.
    enum class Prepared : std::uint8_t { when_ours, always, never };
    Prepared prepared_statements = Prepared::when_ours;
    bool allow_recorded_duplicates = false;
    std::string application_name = "regroup"; // no key: `serve` adds the replica's name
    /// Connections beside the pool, opened when needed. The first is for dry runs, for notes of
    /// long migrations and for streams of their status, the other two are for administrators and
    /// events.
    static constexpr unsigned aside_connections = 1;
    static constexpr unsigned back_office_connections = 2;
    static constexpr unsigned beside_the_pool = aside_connections + back_office_connections;
  } database;

  struct Auth {
    std::string jwt_algorithm; // RS256, ES256 or HS256
    std::string jwt_public_key_file;
    std::string jwt_jwks_file;
    std::string jwt_secret;
    std::string jwt_private_key_file; // only to mint tokens (`regroup token`)
    std::string jwt_issuer;
    std::string jwt_audience;
  } auth;

  struct Migration {
    Duration async_after = std::chrono::seconds{2};
    Duration group_idle_timeout = std::chrono::seconds{30};
    Duration rollback_window = std::chrono::hours{168};
    domain::RequireOwner require_owner = domain::RequireOwner::any;
    Duration link_age{0};
  } migration;

  struct Limits {
    std::int64_t max_devices_per_group = 100;
    std::int64_t requests_per_minute = 6000; // per user and replica; 0: no limit
  } limits;

  struct Webhooks {
    Duration timeout = std::chrono::seconds{10};
    bool allow_private_addresses = false;
  } webhooks;

  struct Log {
    domain::LogLevel level = domain::LogLevel::info;
    std::string format; // "text" or "json"; empty: text on a terminal, else json
  } log;
};

} // namespace regroup::config
