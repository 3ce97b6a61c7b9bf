#pragma once
#include "domain/admin.hpp"
#include "domain/events.hpp"
#include "domain/outcome.hpp"
#include "domain/progress.hpp"
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
  bool into_group = false; // that is a group which is there already; name and slug are not used
  Uuid user_id;
  std::string registration_group_id;
  std::string group_name;
  std::string slug;
  std::optional<std::vector<Uuid>> device_ids; // ascending, no id twice; absent: all devices
  std::optional<IdempotencyKey> idempotency;
  std::int64_t max_devices = 100;
  RequireOwner require_owner = RequireOwner::any;
  std::chrono::milliseconds link_age{0};          // for how long a device that votes must be linked
  std::shared_ptr<MigrationProgress> progress{};  // where somebody may ask for it
  std::string trace_id;                           // of the request: 32 hex digits; empty: none
  std::chrono::steady_clock::time_point received; // the request
  Deadline deadline; // past it nobody waits for the outcome any more: do not begin
};
using MigrationPtr = std::shared_ptr<const MigrationCommand>;

/// What a caller asks for, checked for form (lengths, characters, UUIDs) but not yet complete.
struct MigrationRequest {
  std::u32string registration_group_id;
  std::optional<std::u32string> group_name; // trimmed
  std::optional<std::vector<Uuid>> device_ids;
  std::optional<Uuid> authenticated_group_id{}; // into that one; then without group_name
};

/// Chooses the ids, the default name and the slug. It is received now.
MigrationCommand make_migration_command(MigrationRequest request, const Uuid& user_id,
                                        const Unicode& unicode);

/// What a migration would do, and what would stop it: nothing is changed and nobody disturbed.
struct PlanMigration {
  MigrationPtr migration;
};

/// Undo the migration that made an authenticated group: its devices return to their registration
/// group, and the group goes.
struct UndoCommand {
  Uuid undo_id; // chosen before the first attempt, so that an outcome in doubt can be looked up
  Uuid authenticated_group_id;
  Uuid user_id;
  std::string registration_group_id;
  std::chrono::milliseconds window;           // how long after a migration it can be undone
  std::optional<std::string> idempotency_key; // as an IdempotencyKey's; the group is the request
  std::string trace_id;                       // as a MigrationCommand's
  Deadline deadline;
};
using UndoPtr = std::shared_ptr<const UndoCommand>;

/// The registration group that an authenticated group was made from.
struct FindOrigin {
  Uuid authenticated_group_id;
  Uuid user_id; // who asks
  Deadline deadline;
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

/// Puts devices into a group, or takes them out of it: all of them or none, unless `partial`.
struct ChangeGroupDevices {
  enum class Action : std::uint8_t { add, remove };
  Action action = Action::add;
  Uuid change_id; // chosen before the first attempt, as a migration's
  Uuid user_id;
  Uuid group_id;
  std::vector<Uuid> device_ids; // in the caller's order, no id twice
  bool partial = false;
  std::optional<IdempotencyKey> idempotency;
  Deadline deadline;
};
using ChangePtr = std::shared_ptr<const ChangeGroupDevices>;

/// Everything that writes and would not come to the same if it were done twice. Each has an id that
/// was chosen before it began.
using Operation = std::variant<MigrationPtr, UndoPtr, ChangePtr>;

Uuid id_of(const Operation& operation);

/// What an operation is called in logs and in the database.
const char* kind_of(const Operation& operation);

/// "Did it commit, or shall it never?", of an operation that is in doubt. Answered as the operation
/// itself where it had committed; with `database_unavailable` (nothing was changed, nor will be)
/// where it was made impossible; with `timeout` where it could not be settled before the deadline.
struct Settle {
  Operation operation;
  Deadline deadline;
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
};

/// The groups that the user is a member of.
struct ListGroups {
  Uuid user_id;
  std::optional<Uuid> current_device;
  PageNumber page;
  Deadline deadline;
};

/// The groups that one of the user's devices is in.
struct ListGroupsOfDevice {
  Uuid user_id;
  Uuid device_id;
  PageNumber page;
  Deadline deadline;
};

/// The devices that are linked to the user.
struct ListDevices {
  Uuid user_id;
  std::optional<Uuid> current_device;
  PageNumber page;
  Deadline deadline;
};

struct FindMigration {
  Uuid migration_id;
  std::optional<Uuid> initiator; // absent: an administrator asks
  /// An id that is older than this has been given up by the replica that chose it: where nothing is
  /// known of it, its initiator's question settles it. None: that is not for this question to do.
  std::optional<std::chrono::milliseconds> final_after{};
  Deadline deadline;
  bool aside = false; // asked again and again, for a stream: beside the pool
};

/// What became of an undo or of a change of a group's devices. As FindMigration.
struct FindOperation {
  Uuid operation_id;
  std::optional<Uuid> initiator;
  std::optional<std::chrono::milliseconds> final_after;
  Deadline deadline;
};

/// A migration is about to be answered 202: every replica must be able to say that it runs, until
/// it has come to an end. Answered with RunningNoted.
struct NoteRunning {
  MigrationPtr migration;
  Deadline deadline;
};

/// What a replica runs, how far it is, and that the replica is alive. What it named before, does
/// not name now and has not answered 202 runs no longer.
struct PublishRunning {
  struct Running {
    MigrationPtr migration;
    bool answered_202 = false;
  };
  std::string replica;
  std::vector<Running> running;
  Deadline deadline;
};

/// A migration that was noted has come to an outcome. A refusal has no row of its own: it gets one,
/// so that who was told 202 finds it.
struct EndRunning {
  MigrationPtr migration;
  std::string error_code; // empty: the audit tells already
  std::string error_message;
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
using Job = std::variant<MigrationPtr, UndoPtr, ChangePtr, Settle, PlanMigration, FindOrigin,
                         RecallMigration, RegisterDevice, FindRegistrationGroup, ListGroupDevices,
                         ListGroupMembers, ListGroups, ListGroupsOfDevice, ListDevices,
                         FindMigration, FindOperation, NoteRunning, PublishRunning, EndRunning,
                         CheckApiKey, CheckHealth, AdminJob, EventJob>;

/// Made once, when the request came: every job that it takes gets what remains of it.
Deadline deadline_of(const Job& job);

/// The operation that the job runs or settles, if it is one.
std::optional<Operation> operation_of(const Job& job);

/// Nothing is known of what became of the job: `timeout`, with the operation's id.
Refusal no_outcome(const Job& job);

} // namespace regroup::domain
