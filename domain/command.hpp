#pragma once
#include "domain/job.hpp"
#include "domain/outcome.hpp"
#include "domain/progress.hpp"
#include "domain/unicode.hpp"
#include "domain/uuid.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace regroup::domain {

/// Identifies a caller's retry (contract, `Idempotency-Key`).
struct IdempotencyKey {
  std::string key;          // 1 to 255 visible ASCII characters, scoped to the user
  std::string request_hash; // hex SHA-256 of the request as a JSON value
};

/// Turn one registration group into one authenticated group. Every id that the migration will write
/// is chosen here, before the first attempt, so that an outcome in doubt can be looked up.
struct MigrationCommand {
  Uuid migration_id;
  Uuid authenticated_group_id;
  bool into_group = false; // an existing group; name and slug are unused
  Uuid user_id;
  std::string registration_group_id;
  std::string group_name;
  std::string slug;
  std::optional<std::vector<Uuid>> device_ids; // ascending, no id twice; absent: all devices
  std::optional<IdempotencyKey> idempotency;
  std::int64_t max_devices = 100;
  RequireOwner require_owner = RequireOwner::any;
  std::chrono::milliseconds link_age{0};          // how long a device must be linked to have a vote
  std::shared_ptr<MigrationProgress> progress{};  // set if its progress may be asked for
  std::string trace_id;                           // of the request: 32 hex digits, or empty
  std::chrono::steady_clock::time_point received; // when the request arrived
  Deadline deadline; // past it no caller waits for the outcome: do not start

  using Answer = MigrationCompleted;
  static constexpr JobTraits traits{.lane = Lane::group, .writes = true, .repeats = false};
};

/// A caller's request, checked for form (lengths, characters, UUIDs) but not yet complete.
struct MigrationRequest {
  std::u32string registration_group_id;
  std::optional<std::u32string> group_name; // trimmed
  std::optional<std::vector<Uuid>> device_ids;
  std::optional<Uuid> authenticated_group_id{}; // migrate into this group; then no group_name
};

/// Chooses the ids, the default name and the slug. `received` is the time of this call.
MigrationCommand make_migration_command(MigrationRequest request, const Uuid& user_id,
                                        const Unicode& unicode);

/// A dry run: what a migration would do, or what would stop it. Changes nothing and disturbs no
/// other request.
struct PlanMigration {
  MigrationPtr migration;
  Deadline deadline;

  using Answer = MigrationPlan;
  static constexpr JobTraits traits{.lane = Lane::status};
};

/// Undo the migration that made an authenticated group: its devices return to their registration
/// group, and the group is deleted.
struct UndoCommand {
  Uuid undo_id; // chosen before the first attempt, so that an outcome in doubt can be looked up
  Uuid authenticated_group_id;
  Uuid user_id;
  std::string registration_group_id;
  std::chrono::milliseconds window;           // for how long after a migration it can be undone
  std::optional<std::string> idempotency_key; // as IdempotencyKey; the request is the group
  std::string trace_id;                       // as in MigrationCommand
  Deadline deadline;

  using Answer = MigrationUndone;
  static constexpr JobTraits traits{.lane = Lane::group, .writes = true, .repeats = false};
};

/// The registration group that an authenticated group was made from.
struct FindOrigin {
  Uuid authenticated_group_id;
  Uuid user_id; // the caller
  Deadline deadline;

  using Answer = GroupOrigin;
};

/// Answers all callers that asked to migrate a registration group believed to have a full migration
/// on record: one read for all of them, started after the last of them asked, without a lock.
struct RecallMigration {
  std::string registration_group_id;
  std::vector<Uuid> users; // one per request
  Deadline deadline;

  using Answer = MigrationRecalled;
};

struct RegisterDevice {
  Uuid device_id;
  std::string display_name;          // 1 to 50 characters
  std::string registration_group_id; // as in MigrationCommand
  std::string platform;              // 1 to 20 characters
  std::optional<std::string> fcm_token;
  std::optional<Uuid> user_id; // links the device to this user
  Deadline deadline;

  using Answer = DeviceRegistered;
  static constexpr JobTraits traits{.writes = true};
};

/// The registration group of one of the user's devices: of `device_id`, else of the primary device,
/// else of the one linked last.
struct FindRegistrationGroup {
  Uuid user_id;
  std::optional<Uuid> device_id;
  Deadline deadline;

  using Answer = RegistrationGroupFound;
};

struct ListGroupDevices {
  Uuid user_id;
  Uuid group_id;
  std::int64_t page = 1;      // from 1
  std::int64_t per_page = 50; // 1 to 100
  Deadline deadline;

  using Answer = GroupDevicesPage;
};

/// Puts devices into a group, or takes them out: all of them or none, unless `partial`.
struct ChangeGroupDevices {
  enum class Action : std::uint8_t { add, remove };
  Action action = Action::add;
  Uuid change_id; // chosen before the first attempt, as in MigrationCommand
  Uuid user_id;
  Uuid group_id;
  std::vector<Uuid> device_ids; // in the caller's order, no id twice
  bool partial = false;
  std::optional<IdempotencyKey> idempotency;
  Deadline deadline;

  using Answer = GroupDevicesChanged;
  static constexpr JobTraits traits{.lane = Lane::pool, .writes = true, .repeats = false};
};

Uuid id_of(const Operation& operation);

/// The name of the kind of operation in logs and in the database.
const char* kind_of(const Operation& operation);

/// Finds out whether an operation that is in doubt has committed, and if not, makes sure that it
/// never does. Answered as the operation itself if it had committed; with `database_unavailable`
/// (nothing was changed, nor will be) if it was made impossible; with `timeout` if it could not be
/// settled before the deadline.
struct Settle {
  Operation operation;
  Deadline deadline;

  using Answer = domain::Answer;
  static constexpr JobTraits traits{.writes = true, .repeats = false, .settles = true};
};

struct PageNumber {
  std::int64_t page = 1;      // from 1
  std::int64_t per_page = 50; // 1 to 100
};

struct ListGroupMembers {
  Uuid user_id;
  Uuid group_id;
  PageNumber page;
  Deadline deadline;
  std::optional<std::string> role{}; // members with this role alone

  using Answer = Page<GroupMember>;
};

/// The groups that the user is a member of.
struct ListGroups {
  Uuid user_id;
  std::optional<Uuid> current_device;
  PageNumber page;
  Deadline deadline;
  std::optional<std::string> role{}; // groups where the user has this role alone

  using Answer = Page<MyGroup>;
};

/// The groups that one of the user's devices is in.
struct ListGroupsOfDevice {
  Uuid user_id;
  Uuid device_id;
  PageNumber page;
  Deadline deadline;

  using Answer = Page<GroupOfDevice>;
};

/// The devices that are linked to the user.
struct ListDevices {
  Uuid user_id;
  std::optional<Uuid> current_device;
  PageNumber page;
  Deadline deadline;

  using Answer = Page<MyDevice>;
};

struct FindMigration {
  Uuid migration_id;
  std::optional<Uuid> initiator; // absent: the caller is an administrator
  /// An id older than this has been given up by the replica that chose it: if nothing is known of
  /// it, its initiator's question settles it. Absent: this question settles nothing.
  std::optional<std::chrono::milliseconds> final_after{};
  Deadline deadline;

  using Answer = MigrationReport;
};

/// What became of an undo, or of a change of a group's devices. Fields as in FindMigration.
struct FindOperation {
  Uuid operation_id;
  std::optional<Uuid> initiator;
  std::optional<std::chrono::milliseconds> final_after;
  Deadline deadline;

  using Answer = OperationReport;
};

/// A migration is about to be answered 202: until it ends, every replica must be able to report
/// that it runs. Answered with RunningNoted.
struct NoteRunning {
  MigrationPtr migration;
  Deadline deadline;

  using Answer = RunningNoted;
  static constexpr JobTraits traits{.lane = Lane::status, .writes = true};
};

/// The migrations that a replica runs and their progress; also a sign that the replica is alive. A
/// migration that its last list had and this one has not runs no longer, unless it was answered
/// 202.
struct PublishRunning {
  struct Running {
    MigrationPtr migration;
    bool answered_202 = false;
  };
  std::string replica;
  std::vector<Running> running;
  Deadline deadline;

  using Answer = Done;
  static constexpr JobTraits traits{.lane = Lane::status, .writes = true};
};

/// A migration that was noted has an outcome. A refusal has no row in the audit log, so it gets one
/// here, and a caller that was answered 202 finds it.
struct EndRunning {
  MigrationPtr migration;
  std::string error_code; // empty: the audit log has the outcome
  std::string error_message;
  Deadline deadline;

  using Answer = Done;
  static constexpr JobTraits traits{.lane = Lane::status, .writes = true};
};

struct CheckApiKey {
  std::string key_hash; // hex SHA-256 of the key
  Deadline deadline;

  using Answer = ApiKeyFacts;
};

struct CheckHealth {
  Deadline deadline;

  using Answer = Healthy;
  static constexpr JobTraits traits{.lane = Lane::health, .probes = true};
};

} // namespace regroup::domain
