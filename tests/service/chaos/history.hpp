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
  std::string authenticated_group_id;
  std::vector<std::string> device_ids;
  bool replayed = false;
};

/// One request of one caller. A caller asks for one group, and never twice at the same time.
struct Request {
  enum class Kind {
    migrate,
    status,      // of `migration_id`, while others are under way
    last_status, // the same, when nothing is under way any more: what it says is final
  };
  Kind kind = Kind::migrate;
  std::string user;
  std::string group; // the registration group's id
  std::string idempotency_key;
  std::string migration_id; // asked about
  std::string replica;      // "1", or "haproxy"
  Seconds start = 0;
  Seconds end = 0;
  Answer answer;
};

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

/// The tables, as far as migrations write them.
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
  };
  std::vector<Group> groups;
  std::vector<Member> members;
  std::map<std::string, std::vector<std::string>> memberships; // device -> groups
  std::map<std::string, std::string> group_id_of;              // device -> devices.group_id
  std::vector<Audit> audits;
};

} // namespace regroup::chaos
