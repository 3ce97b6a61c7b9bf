#include "tests/service/chaos/checker.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <string_view>

namespace regroup::chaos {
namespace {

using Kind = Request::Kind;
using Audit = Rows::Audit;
using Ids = std::vector<std::string>;

bool is_success(const Audit& audit) { return audit.status == "success"; }

template <class Range> bool contains(const Range& range, const std::string& value) {
  return std::find(range.begin(), range.end(), value) != range.end();
}

std::string told(const Answer& answer) {
  if (answer.status == 0)
    return "no answer";
  return std::to_string(answer.status) + " " + answer.code + answer.state;
}

std::string about(const Request& request) {
  return request.group + ": replica " + request.replica + " told " + request.user + " " +
         told(request.answer) + " " + request.answer.migration_id;
}

/// Both sides, looked up by what the other one names.
class Index {
public:
  Index(const History& history, const Rows& rows) : history_{history}, rows_{rows} {
    for (const auto& audit : rows.audits) {
      by_id_.insert({audit.id, &audit});
      if (is_success(audit))
        successes_.insert({audit.registration_group, &audit});
    }
    for (const auto& group : rows.groups)
      groups_.insert({group.id, &group});
    for (const auto& request : history.requests)
      if (request.kind == Kind::migrate)
        of_caller_[{request.group, request.user}].push_back(&request);
  }

  const Audit* success(const std::string& migration_id) const {
    const auto found = by_id_.find(migration_id);
    return found != by_id_.end() && is_success(*found->second) ? found->second : nullptr;
  }

  auto successes_of(const std::string& group) const { return successes_.equal_range(group); }
  auto successes() const { return successes_; }

  const Rows::Group* group(const std::string& id) const {
    const auto found = groups_.find(id);
    return found == groups_.end() ? nullptr : found->second;
  }

  /// The request that made a success (checker.hpp); none when nobody whom we know asked.
  const Request* maker(const Audit& success) const {
    const auto found = of_caller_.find({success.registration_group, success.user});
    if (found == of_caller_.end())
      return nullptr;
    const Request* last = nullptr;
    for (const auto* request : found->second) {
      const auto& answer = request->answer;
      const bool own = answer.status == 201 || answer.status == 202 || answer.status == 504;
      if (own && answer.migration_id == success.id && !answer.replayed)
        return request;
      if (request->start <= success.began && (!last || last->start < request->start))
        last = request;
    }
    return last;
  }

private:
  const History& history_;
  const Rows& rows_;
  std::map<std::string, const Audit*> by_id_;
  std::multimap<std::string, const Audit*> successes_; // by registration group
  std::map<std::string, const Rows::Group*> groups_;
  std::map<std::pair<std::string, std::string>, std::vector<const Request*>> of_caller_;
};

bool promises(const Request& request) {
  return request.kind == Kind::migrate ? request.answer.status == 201
                                       : request.answer.state == "completed";
}

void check_lost(const History& history, const Rows& rows, const Index& index, Verdict& verdict) {
  for (const auto& request : history.requests) {
    if (!promises(request))
      continue;
    const auto& answer = request.answer;
    const auto* success = index.success(answer.migration_id);
    if (!success || success->registration_group != request.group) {
      verdict.lost.push_back(about(request) + ", which the database does not have");
      continue;
    }
    if (success->authenticated_group != answer.authenticated_group_id ||
        !index.group(answer.authenticated_group_id) || success->user != request.user)
      verdict.lost.push_back(about(request) + " of a group that is not there");
    for (const auto& device : answer.device_ids)
      if (const auto at = rows.memberships.find(device);
          at == rows.memberships.end() || !contains(at->second, answer.authenticated_group_id))
        verdict.lost.push_back(about(request) + " with device " + device + ", which is not in it");
  }
}

void check_duplicated(const History& history, const Rows& rows, const Index& index,
                      Verdict& verdict) {
  std::map<std::string, std::set<std::string>> promised;
  for (const auto& request : history.requests)
    if (promises(request))
      promised[request.group].insert(request.answer.migration_id);
  for (const auto& [group, migrations] : promised)
    if (migrations.size() > 1)
      verdict.duplicated.push_back(group + ": " + std::to_string(migrations.size()) +
                                   " different migrations were promised");
  for (const auto& [group, devices] : history.devices)
    if (const auto [from, to] = index.successes_of(group); std::distance(from, to) > 1)
      verdict.duplicated.push_back(group + ": more than one success is on record");
  for (const auto& [device, groups] : rows.memberships)
    if (groups.size() > 1)
      verdict.duplicated.push_back("device " + device + " is in " + std::to_string(groups.size()) +
                                   " groups");
}

/// What is missing or wrong about a success's rows; empty when all of it is there.
std::string flaw(const Audit& success, const History& history, const Rows& rows,
                 const Index& index) {
  const auto* group = index.group(success.authenticated_group);
  if (!group)
    return "its group is missing";
  int members = 0;
  int owners = 0;
  for (const auto& member : rows.members)
    if (member.group == group->id) {
      ++members;
      owners += member.role == "owner" && member.user == success.user ? 1 : 0;
    }
  if (members != 1 || owners != 1)
    return "its owner is missing or not alone";
  const auto expected = history.devices.find(success.registration_group);
  if (expected == history.devices.end() ||
      std::set(expected->second.begin(), expected->second.end()) !=
          std::set(success.devices.begin(), success.devices.end()))
    return "its audit row names other devices";
  for (const auto& device : expected->second) {
    const auto at = rows.memberships.find(device);
    if (at == rows.memberships.end() || !contains(at->second, group->id))
      return "device " + device + " has no membership";
    if (const auto now = rows.group_id_of.find(device);
        now == rows.group_id_of.end() || now->second != group->slug)
      return "device " + device + " has another group_id";
  }
  return {};
}

void check_partial(const History& history, const Rows& rows, const Index& index, Verdict& verdict) {
  std::set<std::string> known;
  for (const auto& [group, success] : index.successes()) {
    known.insert(success->authenticated_group);
    if (const auto what = flaw(*success, history, rows, index); !what.empty())
      verdict.partial.push_back(group + ": " + what);
  }
  for (const auto& group : rows.groups)
    if (!known.contains(group.id))
      verdict.partial.push_back("group " + group.slug + " has no audit row");
  for (const auto& [group, devices] : history.devices) {
    if (const auto [from, to] = index.successes_of(group); from != to)
      continue;
    for (const auto& device : devices) {
      const auto now = rows.group_id_of.find(device);
      if (rows.memberships.contains(device) || now == rows.group_id_of.end() ||
          now->second != group)
        verdict.partial.push_back(group + ": was not migrated, but device " + device +
                                  " was moved");
    }
  }
}

/// What a migration of these callers can be told; anything else would be untrue, since each of them
/// owns a device of the group.
bool is_known(const Answer& answer) {
  constexpr std::array<std::string_view, 7> kCodes{
      "migration/in-progress", "resource/already-migrated",
      "server/internal",       "server/database-unavailable",
      "server/overloaded",     "server/shutting-down",
      "server/timeout"};
  return answer.status == 0 || answer.status == 201 || answer.status == 202 ||
         std::find(kCodes.begin(), kCodes.end(), answer.code) != kCodes.end();
}

void check_statuses(const History& history, const Index& index, Verdict& verdict) {
  for (const auto& request : history.requests) {
    if (request.kind == Kind::migrate)
      continue;
    const bool committed = index.success(request.migration_id) != nullptr;
    const auto& state = request.answer.state;
    if (committed && (state == "failed" || state == "rolled_back"))
      verdict.untrue.push_back(about(request) + " of a migration that committed");
    if (request.kind != Kind::last_status)
      continue;
    if (committed ? state != "completed" : state != "failed" && request.answer.status != 404)
      verdict.untrue.push_back(about(request) + " in the end, of a migration that " +
                               (committed ? "committed" : "did not commit"));
  }
}

void check_untrue(const History& history, const Index& index, Verdict& verdict) {
  std::set<std::string> asked;
  for (const auto& request : history.requests) {
    if (request.kind != Kind::migrate)
      continue;
    asked.insert(request.group);
    if (!is_known(request.answer))
      verdict.untrue.push_back(about(request) + ", which cannot be");
    const auto* success = index.success(request.answer.migration_id);
    for (const auto& gap : history.unpromised)
      if (request.answer.status == 201 && success && success->began > gap.from &&
          request.end < gap.until)
        verdict.untrue.push_back(about(request) + " while no standby had it");
  }
  // "Already migrated" and "in progress" are held against the end: there is a success by then, made
  // by somebody else.
  for (const auto& group : asked)
    if (const auto [from, to] = index.successes_of(group); from == to)
      verdict.untrue.push_back(group + ": asked for, and not migrated in the end");
  for (const auto& [group, success] : index.successes()) {
    const auto* maker = index.maker(*success);
    if (!maker) {
      verdict.untrue.push_back(group + ": migrated by " + success->user + ", who did not ask");
      continue;
    }
    const int status = maker->answer.status;
    if (status != 0 && status != 201 && status != 202 && status != 504)
      verdict.untrue.push_back(about(*maker) + ", and it is what committed " + success->id);
  }
}

} // namespace

Verdict check(const History& history, const Rows& rows) {
  const Index index{history, rows};
  Verdict verdict;
  check_lost(history, rows, index, verdict);
  check_duplicated(history, rows, index, verdict);
  check_partial(history, rows, index, verdict);
  check_statuses(history, index, verdict);
  check_untrue(history, index, verdict);
  return verdict;
}

int doubtful(const History& history, const Rows& rows) {
  const Index index{history, rows};
  int count = 0;
  for (const auto& [group, success] : index.successes())
    if (const auto* maker = index.maker(*success); maker && maker->answer.status != 201)
      ++count;
  return count;
}

} // namespace regroup::chaos
