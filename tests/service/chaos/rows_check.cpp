#include "tests/service/chaos/rows_check.hpp"

#include <algorithm>
#include <set>

namespace regroup::chaos {
namespace {

using Audit = Rows::Audit;

bool is_in(const Rows& rows, const std::string& device, const std::string& group) {
  const auto at = rows.memberships.find(device);
  return at != rows.memberships.end() &&
         std::find(at->second.begin(), at->second.end(), group) != at->second.end();
}

bool is_called(const Rows& rows, const std::string& device, const std::string& group_id) {
  const auto at = rows.group_id_of.find(device);
  return at != rows.group_id_of.end() && at->second == group_id;
}

/// What is wrong about the devices of a success, by its own rows and those of the changes since.
std::string flaw_of_devices(const Audit& success, const Rows::Group& group, const Rows& rows,
                            const Evidence& evidence) {
  for (const auto& [device, times] : evidence.devices_of(success)) {
    if (times != 0 && times != 1)
      return "device " + device + " was put in or taken out twice";
    if (is_in(rows, device, group.id) != (times == 1))
      return "device " + device + (times == 1 ? " has no membership" : " is a member still");
    if (!is_called(rows, device, times == 1 ? group.slug : success.registration_group))
      return "device " + device + " has another group_id";
  }
  return {};
}

/// What is missing or wrong about a success's rows; empty when all of it is there.
std::string flaw(const Audit& success, const History& history, const Rows& rows,
                 const Evidence& evidence) {
  const auto* group = evidence.group(success.authenticated_group);
  if (!group)
    return "its group is missing";
  const auto& members = evidence.members(group->id);
  if (members.size() != 1 || members.front()->role != "owner" ||
      members.front()->user != success.user)
    return "its owner is missing or not alone";
  const auto expected = history.devices.find(success.registration_group);
  if (expected == history.devices.end() ||
      std::set(expected->second.begin(), expected->second.end()) !=
          std::set(success.devices.begin(), success.devices.end()))
    return "its audit row names other devices";
  return flaw_of_devices(success, *group, rows, evidence);
}

void check_successes(const History& history, const Rows& rows, const Evidence& evidence,
                     std::vector<std::string>& partial) {
  std::set<std::string> known;
  for (const auto& [group, success] : evidence.successes()) {
    known.insert(success->authenticated_group);
    if (const auto what = flaw(*success, history, rows, evidence); !what.empty())
      partial.push_back(group + ": " + what);
  }
  for (const auto& group : rows.groups)
    if (!known.contains(group.id))
      partial.push_back("group " + group.slug + " has no audit row, or was undone");
}

/// Never migrated, or undone: all is as it was.
void check_others(const History& history, const Rows& rows, const Evidence& evidence,
                  std::vector<std::string>& partial) {
  for (const auto& [group, devices] : history.devices) {
    if (const auto [from, to] = evidence.successes_of(group); from != to)
      continue;
    for (const auto& device : devices)
      if (rows.memberships.contains(device) || !is_called(rows, device, group))
        partial.push_back(group + ": is not migrated, but device " + device + " was moved");
  }
}

/// An undo and a change have a row of their id beside their effect; a fence has no effect.
void check_operations(const Rows& rows, const Evidence& evidence,
                      std::vector<std::string>& partial) {
  std::set<std::string> completed;
  for (const auto& operation : rows.operations) {
    const auto kind = operation.kind == "undo" ? Request::Kind::undo : Request::Kind::change;
    const bool is_there = evidence.is_done(kind, operation.id);
    if (operation.status == "completed")
      completed.insert(operation.id);
    if (is_there != (operation.status == "completed"))
      partial.push_back(operation.kind + " " + operation.id + " is on record as " +
                        operation.status + ", and " + (is_there ? "was done" : "was not done"));
  }
  for (const auto& audit : rows.audits)
    if (audit.status == "rolled_back" && !completed.contains(audit.undo_id))
      partial.push_back(audit.registration_group + ": its undo " + audit.undo_id +
                        " is not on record as completed");
  for (const auto& change : rows.changes)
    if (!completed.contains(change.id))
      partial.push_back("change " + change.id + " is not on record as completed");
}

} // namespace

void check_rows(const History& history, const Rows& rows, const Evidence& evidence,
                std::vector<std::string>& partial) {
  check_successes(history, rows, evidence, partial);
  check_others(history, rows, evidence, partial);
  check_operations(rows, evidence, partial);
}

} // namespace regroup::chaos
