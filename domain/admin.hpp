#pragma once
#include "domain/job.hpp"
#include "domain/uuid.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace regroup::domain {

/// A position in the history, between two rows: the rows after it are older.
struct HistoryPosition {
  std::string created_at; // RFC 3339, UTC, with microseconds
  Uuid migration_id;
};

/// A page of the history, newest first. An absent field does not filter.
struct ReadHistory {
  std::optional<Uuid> user_id{};
  std::optional<std::string> status{}; // a value of migration_status
  std::optional<std::string> registration_group_id{};
  std::optional<std::string> from{}; // RFC 3339, inclusive
  std::optional<std::string> to{};   // exclusive
  std::optional<HistoryPosition> after{};
  std::int64_t limit = 50;
};

struct ReadMigration {
  Uuid migration_id;
};

struct ReadAnalytics {
  std::string from; // RFC 3339, inclusive
  std::string to;   // exclusive
  std::string granularity = "day";
};

/// The migrations that run now, on all replicas.
struct ReadLive {};

/// Makes sure that a migration that runs on some replica will not commit.
struct CancelMigration {
  Uuid migration_id;
  static constexpr bool writes = true;
};

/// An endpoint to notify of migrations (docs/events.md).
struct CreateWebhook {
  Uuid id;
  std::string url;
  std::string secret; // returned only once, in the answer to this
  static constexpr bool writes = true;
};

struct ListWebhooks {};

struct DeleteWebhook {
  Uuid id;
  static constexpr bool writes = true;
};

/// The caller keeps the key itself; only its hash is stored.
struct CreateApiKey {
  std::string key_hash; // hex SHA-256
  std::string prefix;   // the key's first 8 characters, for lists
  std::string name;     // 1 to 100 characters
  bool is_admin = false;
  std::optional<std::string> expires_at; // RFC 3339; absent: never
  static constexpr bool writes = true;
};

struct ListApiKeys {};

/// Refuses the key from now on. It stays in the list.
struct RevokeApiKey {
  std::int64_t id = 0;
  static constexpr bool writes = true;
};

/// Resumes deliveries to an endpoint that answered 410, or that is left alone because it fails.
struct EnableWebhook {
  Uuid id;
  static constexpr bool writes = true;
};

/// Events whose delivery was given up.
struct ListDeadEvents {
  Uuid webhook_id;
  std::int64_t after = 0;
  std::int64_t limit = 50;
};

struct RedeliverEvents {
  Uuid webhook_id;
  std::optional<std::vector<std::int64_t>> ids; // absent: the oldest thousand
  static constexpr bool writes = true;
};

/// Checks that the key is an administrator's, and nothing else.
struct CheckAdminKey {};

/// What an administrator reads: JSON, written by the SQL statement that reads it. A layer between
/// the two would only copy columns.
struct AdminDocument {
  std::string json;
  std::optional<HistoryPosition> next{}; // absent on the last page
};

/// A request by an administrator, or by the replica on an administrator's behalf: one of the above.
template <class Work> struct AdminJob {
  std::optional<std::string> key_hash; // hex SHA-256 of an API key; absent: the replica itself asks
  Work what;
  Deadline deadline;

  using Answer = AdminDocument;
  static constexpr JobTraits traits{.lane = Lane::administration, .writes = requires {Work::writes;
}
}; // namespace regroup::domain
}
;

} // namespace regroup::domain
