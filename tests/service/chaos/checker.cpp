#include "tests/service/chaos/checker.hpp"

#include "tests/service/chaos/evidence.hpp"
#include "tests/service/chaos/rows_check.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <string_view>
#include <utility>

namespace regroup::chaos {
namespace {

using Kind = Request::Kind;
using Audit = Rows::Audit;

std::string told(const Answer& answer) {
  if (answer.status == 0)
    return "no answer";
  return std::to_string(answer.status) + " " + answer.code + answer.state;
}

const char* noun(Kind kind) {
  return kind == Kind::migrate ? "migration" : kind == Kind::undo ? "undo" : "change";
}

std::string about(const Request& request) {
  const bool asks = !writes(request.kind);
  return request.group + ": replica " + request.replica + " told " + request.user +
         (asks ? " of the " : " who asked for a ") + noun(asks ? request.about : request.kind) +
         " " + (asks ? request.id : request.action) + ": " + told(request.answer) + " " +
         request.answer.migration_id + request.answer.operation_id;
}

/// Said to have been done, now or before.
bool is_success(const Request& request) {
  return writes(request.kind) && (request.answer.status == 200 || request.answer.status == 201);
}

bool promises(const Request& request) {
  return is_success(request) || (!writes(request.kind) && request.answer.state == "completed");
}

Kind subject(const Request& request) { return writes(request.kind) ? request.kind : request.about; }

/// What is missing of a migration that was promised; empty when it is there.
std::string missing_migration(const Request& request, const Rows& rows, const Evidence& evidence) {
  const auto& answer = request.answer;
  const auto* migration = evidence.migration(answer.migration_id);
  if (!migration || migration->registration_group != request.group)
    return ", which the database does not have";
  if (migration->authenticated_group != answer.authenticated_group_id ||
      migration->user != request.user)
    return " of a group that is not there";
  if (migration->status != "success")
    return {}; // and was undone
  if (!evidence.group(answer.authenticated_group_id))
    return " of a group that is not there";
  const auto there = evidence.devices_of(*migration);
  for (const auto& device : answer.device_ids) {
    const auto at = rows.memberships.find(device);
    if (there.contains(device) && there.at(device) > 0 &&
        (at == rows.memberships.end() ||
         std::find(at->second.begin(), at->second.end(), answer.authenticated_group_id) ==
             at->second.end()))
      return " with device " + device + ", which is not in it";
  }
  return {};
}

std::string missing(const Request& request, const Rows& rows, const Evidence& evidence) {
  const auto what = subject(request);
  if (what == Kind::migrate)
    return missing_migration(request, rows, evidence);
  if (!is_success(request)) // a status
    return evidence.is_done(what, request.id) ? "" : ", which the database does not have";
  if (what == Kind::undo) {
    const auto* migration = evidence.migration(request.answer.migration_id);
    return migration && migration->status == "rolled_back" &&
                   migration->undone_group == request.authenticated_group &&
                   migration->undone_by == request.user
               ? ""
               : ", and it was not undone";
  }
  const auto& changes = evidence.changes_by(request);
  return !changes.empty() && changes.front()->user == request.user ? "" : ", and it was not done";
}

void check_lost(const History& history, const Rows& rows, const Evidence& evidence,
                Verdict& verdict) {
  for (const auto& request : history.requests)
    if (promises(request))
      if (const auto what = missing(request, rows, evidence); !what.empty())
        verdict.lost.push_back(about(request) + what);
}

/// What was promised is named by what makes it one: twice the same name is twice the same promise.
void check_promised_twice(const History& history, const Evidence& evidence, Verdict& verdict) {
  std::map<std::string, std::set<std::string>> migrations;
  std::map<std::string, int> undos, changes;
  for (const auto& request : history.requests) {
    if (!promises(request))
      continue;
    const auto& answer = request.answer;
    const auto* migration = evidence.migration(answer.migration_id);
    if (subject(request) == Kind::migrate && !(migration && migration->status == "rolled_back"))
      migrations[request.group].insert(answer.migration_id);
    if (!is_success(request) || answer.replayed)
      continue;
    if (request.kind == Kind::undo && ++undos[answer.migration_id] == 2)
      verdict.duplicated.push_back(about(request) + ", which was undone before");
    if (request.kind == Kind::change &&
        ++changes[request.authenticated_group + request.action + request.devices.front()] == 2)
      verdict.duplicated.push_back(about(request) + ", which was done before");
  }
  for (const auto& [group, ids] : migrations)
    if (ids.size() > 1)
      verdict.duplicated.push_back(group + ": " + std::to_string(ids.size()) +
                                   " different migrations were promised");
}

void check_duplicated(const History& history, const Rows& rows, const Evidence& evidence,
                      Verdict& verdict) {
  check_promised_twice(history, evidence, verdict);
  for (const auto& [group, devices] : history.devices)
    if (const auto [from, to] = evidence.successes_of(group); std::distance(from, to) > 1)
      verdict.duplicated.push_back(group + ": more than one success is on record");
  for (const auto& [device, groups] : rows.memberships)
    if (groups.size() > 1)
      verdict.duplicated.push_back("device " + device + " is in " + std::to_string(groups.size()) +
                                   " groups");
  std::set<const Request*> seen;
  for (const auto& change : rows.changes)
    for (const auto* request : evidence.askers(change))
      if (evidence.changes_by(*request).size() > 1 &&
          seen.insert(evidence.askers(change).front()).second)
        verdict.duplicated.push_back(about(*request) + ", which is on record more than once");
}

/// What these callers can be told; anything else would be untrue, since each of them may do what he
/// asks for.
bool is_known(const Request& request) {
  constexpr std::array<std::string_view, 6> kAlways{
      "server/internal",   "server/lock-timeout",  "server/database-unavailable",
      "server/overloaded", "server/shutting-down", "server/timeout"};
  constexpr std::pair<Kind, std::string_view> kSome[]{
      {Kind::migrate, "migration/in-progress"},     {Kind::undo, "migration/in-progress"},
      {Kind::migrate, "resource/already-migrated"}, {Kind::undo, "migration/already-rolled-back"},
      {Kind::change, "resource/already-exists"},    {Kind::change, "resource/not-found"}};
  const auto& answer = request.answer;
  const auto is_it = [&](const auto& each) {
    return each == std::pair{request.kind, std::string_view{answer.code}};
  };
  return answer.status == 0 || is_success(request) ||
         (request.kind == Kind::migrate && answer.status == 202) ||
         std::find(kAlways.begin(), kAlways.end(), answer.code) != kAlways.end() ||
         std::any_of(std::begin(kSome), std::end(kSome), is_it);
}

/// The last questions that were answered: where one was, those before it do not count.
std::set<std::pair<std::string, std::string>> last_words(const History& history) {
  std::set<std::pair<std::string, std::string>> said;
  for (const auto& request : history.requests)
    if (request.kind == Kind::last_status && request.answer.says_something())
      said.emplace(request.replica, request.id);
  return said;
}

void check_statuses(const History& history, const Evidence& evidence, Verdict& verdict) {
  const auto said = last_words(history);
  for (const auto& request : history.requests) {
    if (writes(request.kind) ||
        (request.kind == Kind::last_status && !request.answer.says_something() &&
         said.contains({request.replica, request.id})))
      continue;
    const bool committed = evidence.is_done(request.about, request.id);
    const auto& state = request.answer.state;
    const auto* migration = evidence.migration(request.id);
    const bool undone = migration && migration->status == "rolled_back";
    if ((committed && state == "failed") || (state == "rolled_back" && !undone))
      verdict.untrue.push_back(about(request) + " of what " +
                               (committed ? "committed" : "did not commit"));
    if (request.kind == Kind::last_status && state != (undone      ? "rolled_back"
                                                       : committed ? "completed"
                                                                   : "failed"))
      verdict.untrue.push_back(about(request) + " in the end, of what " +
                               (undone      ? "was undone"
                                : committed ? "committed"
                                            : "did not commit: an id that a caller was given must "
                                              "become final"));
  }
}

/// The answer of the request that made what committed under this id.
void check_maker(const Request* maker, const std::string& what, const std::string& id,
                 Verdict& verdict) {
  if (!maker) {
    verdict.untrue.push_back(what + " " + id + " was asked for by none of the callers");
    return;
  }
  const int status = maker->answer.status;
  const bool leaves_open = status == 0 || status == 202 || status == 504;
  if (!is_success(*maker) && !leaves_open)
    verdict.untrue.push_back(about(*maker) + ", and it is what committed " + id);
  else if (!own_id(*maker).empty() && own_id(*maker) != id && !maker->answer.replayed)
    verdict.untrue.push_back(about(*maker) + ", and it is what committed, by another id: " + id);
}

/// Of those who asked for the same change: who says that he did it, else one who does not know,
/// else whoever was the last.
const Request* maker_of(const Rows::Change& change, const Evidence& evidence) {
  const Request* maker = nullptr;
  const auto rank = [&](const Request& request) {
    if (is_success(request))
      return request.answer.replayed ? 0 : 3;
    if (request.answer.status != 0 && request.answer.status != 504)
      return 1;
    return own_id(request).empty() || own_id(request) == change.id ? 2 : 0;
  };
  for (const auto* request : evidence.askers(change))
    if (request->user == change.user && (!maker || rank(*maker) <= rank(*request)))
      maker = request;
  return maker;
}

/// What committed is held against the answer of the one who asked for it.
void check_makers(const Rows& rows, const Evidence& evidence, Verdict& verdict) {
  for (const auto& audit : rows.audits) {
    if (!evidence.migration(audit.id))
      continue;
    check_maker(evidence.asker(audit.trace, audit.user), audit.registration_group + ": migration",
                audit.id, verdict);
    if (audit.status == "rolled_back")
      check_maker(evidence.asker(audit.undo_trace, audit.undone_by),
                  audit.registration_group + ": undo", audit.undo_id, verdict);
  }
  for (const auto& change : rows.changes)
    check_maker(maker_of(change, evidence), "change", change.id, verdict);
}

/// When that began which a success promises.
Seconds began(const Request& request, const Evidence& evidence) {
  if (request.kind == Kind::change) {
    const auto& changes = evidence.changes_by(request);
    return changes.empty() ? 0 : changes.front()->began;
  }
  const auto* migration = evidence.migration(request.answer.migration_id);
  return !migration ? 0 : request.kind == Kind::undo ? migration->undo_began : migration->began;
}

void check_untrue(const History& history, const Evidence& evidence, Verdict& verdict) {
  std::map<std::string, bool> asked; // whether to undo it
  for (const auto& request : history.requests) {
    if (!writes(request.kind))
      continue;
    asked[request.group] = asked[request.group] || request.kind == Kind::undo;
    if (!is_known(request))
      verdict.untrue.push_back(about(request) + ", which cannot be");
    if (request.answer.status == 504 && own_id(request).empty())
      verdict.untrue.push_back(about(request) + ", without an id that one could ask for");
    for (const auto& gap : history.unpromised)
      if (is_success(request) && began(request, evidence) > gap.from && request.end < gap.until)
        verdict.untrue.push_back(about(request) + " while no standby had it");
  }
  // "Already migrated", "in progress" and the like are held against the end: what all of them
  // wanted has come about by then.
  for (const auto& [group, to_undo] : asked) {
    const auto [from, to] = evidence.successes_of(group);
    if (to_undo && from != to)
      verdict.untrue.push_back(group + ": to be undone, and still migrated in the end");
    if (!to_undo && from == to)
      verdict.untrue.push_back(group + ": asked for, and not migrated in the end");
  }
}

} // namespace

Verdict check(const History& history, const Rows& rows) {
  const Evidence evidence{history, rows};
  Verdict verdict;
  check_lost(history, rows, evidence, verdict);
  check_duplicated(history, rows, evidence, verdict);
  check_rows(history, rows, evidence, verdict.partial);
  check_statuses(history, evidence, verdict);
  check_untrue(history, evidence, verdict);
  check_makers(rows, evidence, verdict);
  return verdict;
}

Counts doubtful(const History& history, const Rows& rows) {
  const Evidence evidence{history, rows};
  Counts counts;
  const auto count = [&](const Request* maker) {
    if (maker && (maker->answer.status == 0 || maker->answer.status == 202))
      ++counts.of(maker->kind);
  };
  for (const auto& audit : rows.audits)
    if (evidence.migration(audit.id)) {
      count(evidence.asker(audit.trace, audit.user));
      if (audit.status == "rolled_back")
        count(evidence.asker(audit.undo_trace, audit.undone_by));
    }
  for (const auto& change : rows.changes)
    count(maker_of(change, evidence));
  for (const auto& request : history.requests)
    if (writes(request.kind) && request.answer.status == 504)
      ++counts.of(request.kind);
  return counts;
}

} // namespace regroup::chaos
