#pragma once
#include "domain/uuid.hpp"

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <typeinfo>
#include <utility>
#include <vector>

namespace regroup::domain {

/// Every refusal that a caller can get, in the order of the contract's table. `http/` maps each to
/// one status and code; nothing else does.
enum class Refused : std::uint8_t {
  invalid_json,
  invalid_request,
  no_devices,
  too_many_devices,
  group_full, // groups.max_devices
  malformed,  // not HTTP/1.1 (RFC 9112)
  unauthorized,
  not_device_owner,
  not_owner_of_device, // one device; not_device_owner is about a whole group
  not_owner_of_enough, // of the registration group's linked devices, for migration.require_owner
  not_group_member,
  forbidden,
  not_found,
  method_not_allowed,
  request_timeout, // the rest of the request did not arrive in time
  in_progress,
  already_migrated,
  group_name_exists,
  group_modified,        // since the migration to be undone
  already_rolled_back,   // nothing is left to undo
  rollback_expired,      // the migration is too old to be undone
  device_already_linked, // the device belongs to another user
  device_linked,         // the device belongs to a user: an API key alone is not enough
  already_in_group,
  cancelled,       // by an administrator, before it could be committed
  not_cancellable, // it has ended, or is being committed
  too_large,
  uri_too_long,
  header_too_large,
  unsupported_media_type,
  idempotency_mismatch,
  rate_limited,
  internal,
  not_implemented, // unknown method or transfer coding
  version_not_supported,
  overloaded,
  lock_timeout, // another session held a lock of what was to be changed
  database_unavailable,
  shutting_down,
  timeout, // no outcome in time; a migration: look up its id later
};
inline constexpr std::size_t kRefusedCount = static_cast<std::size_t>(Refused::timeout) + 1;

/// Who may migrate a registration group: how many of its devices that are linked to a user must be
/// linked to the caller.
enum class RequireOwner : std::uint8_t { any, majority, all_linked };
inline constexpr std::array<const char*, 3> kRequireOwnerNames{"any", "majority", "all_linked"};
inline const char* name_of(RequireOwner rule) {
  return kRequireOwnerNames.at(static_cast<std::size_t>(rule));
}

struct Ownership {
  RequireOwner required = RequireOwner::any;
  std::int64_t linked_devices = 0; // of the registration group
  std::int64_t owned_devices = 0;  // of those, linked to the caller
};

struct FieldError {
  std::string field; // "device_ids[3]", "page", "Idempotency-Key"
  std::string message;
};

/// The result for one device of several; `refused` is absent if it was done.
struct DeviceResult {
  Uuid device_id;
  std::optional<Refused> refused;
};

/// A refusal, and what the caller may know about it. Only the fields that its code documents are
/// set.
struct Refusal {
  Refused reason = Refused::internal;
  std::optional<std::string> registration_group_id{};
  std::optional<Uuid> authenticated_group_id{};
  std::optional<Uuid> migration_id{};
  std::optional<Uuid> device_id{};
  std::optional<Uuid> operation_id{}; // of an undo or a change of devices
  std::optional<std::int64_t> device_count{};
  std::optional<std::int64_t> limit{};
  std::optional<std::string> group_name{};
  std::optional<Ownership> ownership{};
  std::vector<FieldError> fields{};
  std::vector<DeviceResult> devices{}; // for a change of several devices: those in its way
  bool migrated_in_parts = false;      // already_migrated, and no full migration is on record
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

/// What a migration would do now.
struct MigrationPlan {
  std::optional<Refusal> obstacle; // the refusal that it would get instead
  std::string registration_group_id;
  std::optional<Uuid> authenticated_group_id; // set: into this existing group
  std::string name;                           // empty where the caller may not see it
  std::string slug;
  std::int64_t devices_to_migrate = 0; // 0 where the caller may not know it
  std::vector<Uuid> device_ids;        // of those, linked to the caller; ascending
  std::int64_t devices_remaining = 0;
  std::vector<Uuid> ignored_device_ids; // ascending
};

struct MigrationUndone {
  Uuid migration_id;
  Uuid authenticated_group_id;
  std::string registration_group_id;
  std::vector<Uuid> device_ids; // ascending
  std::string rolled_back_at;   // RFC 3339, UTC
  bool replayed = false;        // answered from an earlier request's Idempotency-Key
};

struct GroupOrigin {
  std::string registration_group_id;
};

struct MigrationRecalled {
  std::vector<Refusal> answers; // one per user asked for; none: no full migration is on record
};

struct DeviceRegistered {
  Uuid device_id;
  std::string display_name;
  std::string group_id; // not the one requested if the device is in an authenticated group
  std::string platform;
  std::optional<Uuid> owner_user_id;
  bool is_primary = false;
  std::optional<std::string> linked_at; // RFC 3339, UTC
  std::string created_at;
  std::string updated_at;
  bool created = false; // false: it existed and was updated
};

struct RegistrationGroupFound {
  std::string registration_group_id;
  Uuid device_id;
  std::string display_name;
  std::string group_id;                       // what the device's row says: this, or a group's slug
  bool is_registration_group = false;         // group_id is one: it can be migrated
  std::optional<std::string> last_seen_at;    // RFC 3339, UTC
  std::int64_t device_count = 0;              // active devices in the registration group
  std::optional<Uuid> authenticated_group_id; // set: the device was migrated into it
  std::optional<Uuid> migration_id;
  std::optional<std::string> group_name; // of the authenticated group
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

struct GroupDevicesChanged {
  Uuid group_id;
  std::vector<DeviceResult> results; // for each device, in the caller's order
  std::string changed_at;            // RFC 3339, UTC
  bool replayed = false;             // answered from an earlier request's Idempotency-Key
};

template <class T> struct Page {
  std::vector<T> items;
  std::int64_t page = 1;
  std::int64_t per_page = 50;
  std::int64_t total = 0;
};

struct GroupMember {
  Uuid membership_id;
  Uuid user_id;
  std::optional<std::string> display_name;
  std::string role;
  std::optional<Uuid> invited_by;
  std::string joined_at;         // RFC 3339, UTC
  std::int64_t device_count = 0; // of the group's devices, those that are linked to the member
};

struct MyGroup {
  Uuid group_id;
  std::string name;
  std::string slug;
  std::string role;
  std::optional<std::int64_t> max_devices; // absent: any number
  std::int64_t device_count = 0;
  std::int64_t member_count = 0;
  bool has_current_device = false; // of the device that the caller named, or of any of theirs
  std::string created_at;          // RFC 3339, UTC
  std::string joined_at;
};

struct GroupOfDevice {
  Uuid group_id;
  std::string name;
  std::string slug;
  std::optional<std::string> role; // the caller's; absent: not a member
  std::optional<Uuid> added_by;
  std::string added_at; // RFC 3339, UTC
};

struct MyDevice {
  Uuid device_id;
  std::string display_name;
  std::string group_id; // the registration group, or the slug of the group it was migrated into
  std::string platform;
  bool active = true;
  bool is_primary = false;
  std::optional<bool> is_current;       // absent: the caller named no device
  std::optional<std::string> linked_at; // RFC 3339, UTC
  std::optional<std::string> last_seen_at;
};

struct MigrationReport {
  enum class Status : std::uint8_t { in_progress, completed, failed, rolled_back };
  Status status = Status::completed;
  std::string registration_group_id;
  std::optional<std::int64_t> devices_total{}; // when in progress; absent: not known yet
  std::int64_t devices_processed = 0;          // when in progress
  MigrationCompleted result;                   // when completed or rolled back
  std::string completed_at;                    // RFC 3339, UTC
  std::string rolled_back_at; // likewise; empty if another program wrote the status
  std::string error_code;     // when failed: a code of the contract's table
  std::string error_message;  // when failed: safe to show to the caller
};

/// What is known of an undo or of a change of a group's devices. Both are short, so nothing is
/// known of one that has not ended.
struct OperationReport {
  Uuid operation_id;
  std::string kind; // kind_of(); empty: it never began
  std::optional<Uuid> group_id;
  bool completed = false; // else it failed, and changed nothing
  std::string ended_at;   // RFC 3339, UTC
  std::string error_code; // when failed: a code of the contract's table
  std::string error_message;
};

struct RunningNoted {
  std::int64_t devices_total = 0;
};

struct Done {};

struct ApiKeyFacts {
  std::int64_t id = 0;
  bool is_admin = false;
};

struct Healthy {};

/// The answer to a job of any kind: what its question names, or a refusal. Cheap to copy; never
/// changes.
class Answer {
public:
  Answer() = default; // none: only for a message that is still empty
  template <class T>
  requires(!std::derived_from<T, Answer>) explicit Answer(T what)
      : what_(std::make_shared<const T>(std::move(what))), type_(&typeid(T)) {}
  Answer(Refusal why)
      : what_(std::make_shared<const Refusal>(std::move(why))), type_(&typeid(Refusal)) {}

  template <class T> bool is() const { return type_ != nullptr && *type_ == typeid(T); }
  /// Null if it is something else.
  template <class T> const T* get_if() const {
    return is<T>() ? static_cast<const T*>(what_.get()) : nullptr;
  }
  template <class T> const T& get() const {
    if (const auto* what = get_if<T>())
      return *what;
    throw std::logic_error("the answer is something else");
  }
  bool is_refused(Refused reason) const { return is<Refusal>() && refusal().reason == reason; }
  /// Why there is nothing else: `internal` if the answer is no refusal.
  const Refusal& refusal() const {
    static const Refusal internal{};
    const auto* why = get_if<Refusal>();
    return why ? *why : internal;
  }

private:
  std::shared_ptr<const void> what_;
  const std::type_info* type_ = nullptr;
};

/// The answer to a question whose answer is a T.
template <class T> class Result : public Answer {
public:
  Result(T what) : Answer(std::move(what)) {}
  Result(Refusal why) : Answer(std::move(why)) {}
  explicit Result(Answer any) : Answer(std::move(any)) {}

  /// Null if it was refused.
  const T* value() const { return get_if<T>(); }
};

} // namespace regroup::domain
