#pragma once
#include "domain/admin.hpp"
#include "domain/events.hpp"
#include "domain/unicode.hpp"
#include "domain/uuid.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace regroup::domain {

using Deadline = std::chrono::steady_clock::time_point;

/// What a caller's retry is recognised by (contract, `Idempotency-Key`).
struct IdempotencyKey {
  std::string key;          // 1 to 255 visible ASCII characters, scoped to the user
  std::string request_hash; // hex SHA-256 of the request as a JSON value
};

/// Turn one registration group into one authenticated group. Every id that the migration will
/// write is chosen here, before the first attempt, so that an outcome in doubt can be looked up.
struct MigrationCommand {
  Uuid migration_id;
  Uuid authenticated_group_id;
  Uuid user_id;
  std::string registration_group_id;
  std::string group_name;
  std::string slug;
  std::optional<std::vector<Uuid>> device_ids; // ascending, no id twice; absent: all devices
  std::optional<IdempotencyKey> idempotency;
  std::int64_t max_devices = 100;
  Deadline deadline; // past it nobody waits for the outcome any more: do not begin
};
using MigrationPtr = std::shared_ptr<const MigrationCommand>;

/// What a caller asks for, checked for form (lengths, characters, UUIDs) but not yet complete.
struct MigrationRequest {
  std::u32string registration_group_id;
  std::optional<std::u32string> group_name; // trimmed
  std::optional<std::vector<Uuid>> device_ids;
};

/// Chooses the ids, the default name and the slug.
MigrationCommand make_migration_command(MigrationRequest request, const Uuid& user_id,
                                        const Unicode& unicode);

/// Look up whether a migration whose COMMIT is in doubt did commit.
struct ResolveMigration {
  MigrationPtr migration;
};

/// Answers everybody who asked to migrate a registration group of which a full migration is
/// believed to be on record: one read for all of them, begun after the last of them asked, and no
/// lock.
struct RecallMigration {
  std::string registration_group_id;
  std::vector<Uuid> users; // one for each request
  Deadline deadline;
};

struct RegisterDevice {
  Uuid device_id;
  std::string display_name;          // 1 to 50 characters
  std::string registration_group_id; // as in MigrationCommand
  std::string platform;              // 1 to 20 characters
  std::optional<std::string> fcm_token;
  std::optional<Uuid> user_id; // links the device to this user
  Deadline deadline;
};

/// The registration group of one of the user's devices: of `device_id`, else of the primary one,
/// else of the one linked last.
struct FindRegistrationGroup {
  Uuid user_id;
  std::optional<Uuid> device_id;
  Deadline deadline;
};

struct ListGroupDevices {
  Uuid user_id;
  Uuid group_id;
  std::int64_t page = 1;      // from 1
  std::int64_t per_page = 50; // 1 to 100
  Deadline deadline;
};

struct FindMigration {
  Uuid migration_id;
  std::optional<Uuid> initiator; // absent: an administrator asks
  Deadline deadline;
};

struct CheckApiKey {
  std::string key_hash; // hex SHA-256 of the key
  Deadline deadline;
};

struct CheckHealth {
  Deadline deadline;
};

/// Everything that a database worker can be asked for.
using Job = std::variant<MigrationPtr, ResolveMigration, RecallMigration, RegisterDevice,
                         FindRegistrationGroup, ListGroupDevices, FindMigration, CheckApiKey,
                         CheckHealth, AdminJob, EventJob>;

Deadline deadline_of(const Job& job);

} // namespace regroup::domain
