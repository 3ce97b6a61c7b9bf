#pragma once
#include <map>
#include <string>
#include <vector>

// What the clients of one round saw, and what the database has at its end. Ids are text here: they
// are compared, and never taken apart.
namespace regroup::chaos {

using Seconds = double; // since the epoch, by the one clock that clients and servers share

/// What came back. `status` 0: no answer, or one that was not the service's (a proxy's own).
struct Answer {
  int status = 0;
  std::string code;  // of an error: "migration/in-progress"
  std::string state; // of a status report: "completed", "failed", "in_progress", "rolled_back"
  std::string migration_id;
  std::string operation_id; // of an undo or a change
  std::string authenticated_group_id;
  std::vector<std::string> device_ids;
  bool replayed = false;

  /// False where it is that nothing can be said now.
  bool says_something() const { return status != 0 && status != 503 && status != 504; }
};

/// One request of one caller. A caller asks for one group, and never twice at the same time.
struct Request {
  enum class Kind {
    migrate,
    undo,
    change,      // of a group's devices
    status,      // of `id`, while others are under way
    last_status, // the same, when nothing is under way any more: what it says is final
  };
  Kind kind = Kind::migrate;
  std::string user;
  std::string group; // the registration group's id
  std::string idempotency_key;
  std::string trace;               // its own: the rows of a migration and an undo have it too
  std::string authenticated_group; // of an undo and a change
  std::string action;              // of a change: "add", "remove"
  std::vector<std::string> devices;
  Kind about = Kind::migrate; // of a status: what `id` is
  std::string id;
  std::string replica; // "1", or "haproxy"
  Seconds start = 0;
  Seconds end = 0;
  Answer answer;
};

/// The id that an answer gives for what its request asked.
inline const std::string& own_id(const Request& request) {
  return request.kind == Request::Kind::migrate ? request.answer.migration_id
                                                : request.answer.operation_id;
}

inline bool writes(Request::Kind kind) {
  return kind == Request::Kind::migrate || kind == Request::Kind::undo ||
         kind == Request::Kind::change;
}

/// While no standby could take what the primary wrote: nothing written then may be promised.
struct Unpromised {
  Seconds from = 0;
  Seconds until = 0;
};

struct History {
  std::map<std::string, std::vector<std::string>> devices; // of each registration group, at first
  std::vector<Request> requests;
  std::vector<Unpromised> unpromised;
};

/// The tables, as far as migrations, undos and changes of a group's devices write them.
struct Rows {
  struct Group {
    std::string id, slug;
  };
  struct Member {
    std::string group, user, role;
  };
  struct Audit {
    std::string id, user, registration_group, authenticated_group, status;
    std::vector<std::string> devices;
    Seconds began = 0; // its transaction
    std::string trace;
    // Of one that was undone:
    std::string undo_id, undone_group, undone_by, undo_trace;
    Seconds undo_began = 0;
  };
  struct Change {
    std::string id, user, group, action;
    std::vector<std::string> devices;
    Seconds began = 0;
  };
  /// An undo or a change by its id: `completed`, or the fence that it will not be, `failed`.
  struct Operation {
    std::string id, kind, status;
  };
  std::vector<Group> groups;
  std::vector<Member> members;
  std::map<std::string, std::vector<std::string>> memberships; // device -> groups
  std::map<std::string, std::string> group_id_of;              // device -> devices.group_id
  std::vector<Audit> audits;
  std::vector<Change> changes;
  std::vector<Operation> operations;
};

/// How many of each.
struct Counts {
  int migrations = 0;
  int undos = 0;
  int changes = 0;

  int all() const { return migrations + undos + changes; }
  int& of(Request::Kind kind) {
    return kind == Request::Kind::migrate ? migrations
           : kind == Request::Kind::undo  ? undos
                                          : changes;
  }
  Counts& operator+=(const Counts& more) {
    migrations += more.migrations;
    undos += more.undos;
    changes += more.changes;
    return *this;
  }
  friend Counts operator-(Counts left, const Counts& right) {
    return {left.migrations - right.migrations, left.undos - right.undos,
            left.changes - right.changes};
  }
};

} // namespace regroup::chaos
