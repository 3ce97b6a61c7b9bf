#pragma once
#include "domain/admin.hpp"
#include "domain/events.hpp"
#include "domain/uuid.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace regroup::domain {

/// Every way in which a caller can be told no, in the order of the contract's table. `http/` maps
/// each to one status and code; nothing else does.
enum class Refused : std::uint8_t {
  invalid_json,
  invalid_request,
  no_devices,
  too_many_devices,
  unauthorized,
  not_device_owner,
  not_group_member,
  forbidden,
  not_found,
  method_not_allowed,
  in_progress,
  already_migrated,
  group_name_exists,
  device_already_linked, // the device belongs to another user
  cancelled,             // by an administrator, before it could be committed
  not_cancellable,       // it has ended, or is being committed
  too_large,
  unsupported_media_type,
  idempotency_mismatch,
  rate_limited,
  internal,
  overloaded,
  database_unavailable,
  shutting_down,
  timeout, // no outcome in time; of a migration: look at its id later
};
inline constexpr std::size_t kRefusedCount = static_cast<std::size_t>(Refused::timeout) + 1;

struct FieldError {
  std::string field; // "device_ids[3]", "page", "Idempotency-Key"
  std::string message;
};

/// A refusal and what the caller may know about it. Only what its code documents is filled in.
struct Refusal {
  Refused reason = Refused::internal;
  std::optional<std::string> registration_group_id{};
  std::optional<Uuid> authenticated_group_id{};
  std::optional<Uuid> migration_id{};
  std::optional<std::int64_t> device_count{};
  std::optional<std::int64_t> limit{};
  std::optional<std::string> group_name{};
  std::vector<FieldError> fields{};
  bool migrated_in_parts = false; // already_migrated, and no full migration is on record
};

struct MigrationCompleted {
  Uuid migration_id;
  Uuid authenticated_group_id;
  std::string name;
  std::string slug;
  std::vector<Uuid> device_ids; // ascending
  std::int64_t devices_remaining = 0;
  std::vector<Uuid> ignored_device_ids{}; // ascending
  bool replayed = false;                  // answered from an earlier request's Idempotency-Key
};

struct MigrationRecalled {
  std::vector<Refusal> answers; // one for each user asked for; none: no full migration is on record
};

struct DeviceRegistered {
  Uuid device_id;
  std::string display_name;
  std::string group_id; // not the one asked for where the device is in an authenticated group
  std::string platform;
  std::optional<Uuid> owner_user_id;
  bool created = false; // false: it was known and has been updated
};

struct RegistrationGroupFound {
  std::string registration_group_id;
  Uuid device_id;
  std::int64_t device_count = 0;              // active devices in the registration group
  std::optional<Uuid> authenticated_group_id; // set: it was migrated, and the device with it
  std::optional<Uuid> migration_id;
};

struct GroupDevice {
  Uuid device_id;
  std::string display_name;
  std::string platform;
  std::optional<Uuid> owner_user_id;
  bool active = true;
  std::string added_at; // RFC 3339, UTC
  std::optional<std::string> last_seen_at;
};

struct GroupDevicesPage {
  std::vector<GroupDevice> devices;
  std::int64_t page = 1;
  std::int64_t per_page = 50;
  std::int64_t total = 0;
};

/// What the audit row of a migration says.
struct MigrationReport {
  enum class Status : std::uint8_t { completed, failed, rolled_back };
  Status status = Status::completed;
  std::string registration_group_id;
  MigrationCompleted result; // when completed or rolled back
  std::string completed_at;  // RFC 3339, UTC
  std::string error_code;    // when failed: a code of the contract's table
  std::string error_message; // when failed: fit for the caller's eyes
};

struct ApiKeyFacts {
  std::int64_t id = 0;
  bool is_admin = false;
};

struct Healthy {};

/// What a job comes back with.
using Answer = std::variant<Refusal, MigrationCompleted, MigrationRecalled, DeviceRegistered,
                            RegistrationGroupFound, GroupDevicesPage, MigrationReport, ApiKeyFacts,
                            Healthy, AdminDocument, EventsClaimed>;

} // namespace regroup::domain
