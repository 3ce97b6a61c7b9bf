#include "tests/service/chaos/evidence.hpp"

namespace regroup::chaos {
namespace {

template <class Thing>
const std::vector<const Thing*>& all_of(const std::map<std::string, std::vector<const Thing*>>& in,
                                        const std::string& key) {
  static const std::vector<const Thing*> none;
  const auto found = in.find(key);
  return found == in.end() ? none : found->second;
}

std::string what(const std::string& group, const std::string& action,
                 const std::vector<std::string>& devices) {
  std::string text = group + " " + action;
  for (const auto& device : devices)
    text += " " + device;
  return text;
}

std::string what(const Rows::Change& change) {
  return what(change.group, change.action, change.devices);
}

std::string what(const Request& request) {
  return what(request.authenticated_group, request.action, request.devices);
}

} // namespace

Evidence::Evidence(const History& history, const Rows& rows) {
  for (const auto& audit : rows.audits) {
    if (audit.status != "success" && audit.status != "rolled_back")
      continue;
    committed_.insert({audit.id, &audit});
    if (audit.status == "success")
      successes_.insert({audit.registration_group, &audit});
    else
      undos_.insert({audit.undo_id, &audit});
  }
  for (const auto& change : rows.changes) {
    changes_.insert({change.id, &change});
    changes_of_group_[change.group].push_back(&change);
    changes_by_what_[what(change)].push_back(&change);
  }
  for (const auto& group : rows.groups)
    groups_.insert({group.id, &group});
  for (const auto& member : rows.members)
    members_[member.group].push_back(&member);
  for (const auto& request : history.requests) {
    traced_.insert({request.trace, &request});
    if (request.kind == Request::Kind::change)
      askers_by_what_[what(request)].push_back(&request);
  }
}

bool Evidence::is_done(Request::Kind kind, const std::string& id) const {
  return kind == Request::Kind::migrate ? migration(id) != nullptr
         : kind == Request::Kind::undo  ? undo(id) != nullptr
                                        : change(id) != nullptr;
}

const std::vector<const Rows::Member*>& Evidence::members(const std::string& group) const {
  return all_of(members_, group);
}

const std::vector<const Request*>& Evidence::askers(const Change& change) const {
  return all_of(askers_by_what_, what(change));
}

const std::vector<const Rows::Change*>& Evidence::changes_by(const Request& request) const {
  return all_of(changes_by_what_, what(request));
}

std::map<std::string, int> Evidence::devices_of(const Audit& success) const {
  std::map<std::string, int> times;
  for (const auto& device : success.devices)
    times[device] = 1;
  for (const auto* change : all_of(changes_of_group_, success.authenticated_group))
    for (const auto& device : change->devices)
      times[device] += change->action == "add" ? 1 : -1;
  return times;
}

} // namespace regroup::chaos
