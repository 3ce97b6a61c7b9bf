#pragma once
#include "domain/uuid.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace regroup::domain {

/// A place in the history, between two rows: everything after it is older.
struct HistoryPosition {
  std::string created_at; // RFC 3339, UTC, with microseconds
  Uuid migration_id;
};

/// A page of the history, newest first. What is not given does not filter.
struct ReadHistory {
  std::optional<Uuid> user_id{};
  std::optional<std::string> status{}; // a value of migration_status
  std::optional<std::string> registration_group_id{};
  std::optional<std::string> from{}; // RFC 3339; included
  std::optional<std::string> to{};   // not included
  std::optional<HistoryPosition> after{};
  std::int64_t limit = 50;
};

struct ReadMigration {
  Uuid migration_id;
};

struct ReadAnalytics {
  std::string from; // RFC 3339; included
  std::string to;   // not included
  std::string granularity = "day";
};

/// What runs now, in every replica.
struct ReadLive {};

/// Makes sure that a migration which runs somewhere will not be committed.
struct CancelMigration {
  Uuid migration_id;
};

/// Somebody to be told of migrations (docs/events.md).
struct CreateWebhook {
  Uuid id;
  std::string url;
  std::string secret; // answered this once
};

struct ListWebhooks {};

struct DeleteWebhook {
  Uuid id;
};

/// The key itself stays with who asks: its hash is kept.
struct CreateApiKey {
  std::string key_hash; // hex SHA-256
  std::string prefix;   // the key's first 8 characters, for lists
  std::string name;     // 1 to 100 characters
  bool is_admin = false;
  std::optional<std::string> expires_at; // RFC 3339; absent: never
};

struct ListApiKeys {};

/// It is refused from now on, and stays in the list.
struct RevokeApiKey {
  std::int64_t id = 0;
};

/// One that answered 410, or is left alone since it fails: it is asked again.
struct EnableWebhook {
  Uuid id;
};

/// Events that were given up.
struct ListDeadEvents {
  Uuid webhook_id;
  std::int64_t after = 0;
  std::int64_t limit = 50;
};

struct RedeliverEvents {
  Uuid webhook_id;
  std::optional<std::vector<std::int64_t>> ids; // absent: the oldest thousand
};

/// Nothing but whether the key is an administrator's.
struct CheckAdminKey {};

using AdminWork =
    std::variant<CheckAdminKey, ReadHistory, ReadMigration, ReadAnalytics, ReadLive,
                 CancelMigration, CreateWebhook, ListWebhooks, DeleteWebhook, CreateApiKey,
                 ListApiKeys, RevokeApiKey, EnableWebhook, ListDeadEvents, RedeliverEvents>;

/// Something that an administrator asks for, or the replica for them.
struct AdminJob {
  std::optional<std::string> key_hash; // hex SHA-256 of an API key; absent: the replica itself asks
  AdminWork what;
  std::chrono::steady_clock::time_point deadline;
};

/// What an administrator reads is written as JSON by the statement that reads it: nothing between
/// the two would do more than carry columns.
struct AdminDocument {
  std::string json;
  std::optional<HistoryPosition> next{}; // of a page that is not the last one
};

} // namespace regroup::domain
