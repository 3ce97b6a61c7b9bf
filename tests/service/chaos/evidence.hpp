#pragma once
#include "tests/service/chaos/history.hpp"

#include <map>
#include <set>
#include <string>
#include <vector>

namespace regroup::chaos {

/// Both sides, what clients saw and what the tables have, looked up by what the other one names.
/// For the judge alone (checker.cpp).
class Evidence {
public:
  using Audit = Rows::Audit;
  using Change = Rows::Change;

  Evidence(const History& history, const Rows& rows);

  /// The migration, when it committed: undone since or not.
  const Audit* migration(const std::string& id) const { return find(committed_, id); }
  const Audit* undo(const std::string& undo_id) const { return find(undos_, undo_id); }
  const Change* change(const std::string& id) const { return find(changes_, id); }
  /// Whether that committed; `what`: migrate, undo or change.
  bool is_done(Request::Kind what, const std::string& id) const;

  /// By registration group; not those that were undone.
  const std::multimap<std::string, const Audit*>& successes() const { return successes_; }
  auto successes_of(const std::string& group) const { return successes_.equal_range(group); }

  const Rows::Group* group(const std::string& id) const { return find(groups_, id); }
  const std::vector<const Rows::Member*>& members(const std::string& group) const;

  /// The user's request with that trace id.
  const Request* asker(const std::string& trace, const std::string& user) const {
    const auto* request = find(traced_, trace);
    return request && request->user == user ? request : nullptr;
  }

  /// All that asked for the same change: group, action and devices are equal.
  const std::vector<const Request*>& askers(const Change& change) const;
  const std::vector<const Change*>& changes_by(const Request& request) const;

  /// How often each device is in the group of a success by what is on record of it: once or not.
  std::map<std::string, int> devices_of(const Audit& success) const;

private:
  template <class Thing>
  static const Thing* find(const std::map<std::string, const Thing*>& in, const std::string& id) {
    const auto found = in.find(id);
    return found == in.end() ? nullptr : found->second;
  }

  std::map<std::string, const Audit*> committed_, undos_;
  std::multimap<std::string, const Audit*> successes_;
  std::map<std::string, const Change*> changes_;
  std::map<std::string, std::vector<const Change*>> changes_of_group_, changes_by_what_;
  std::map<std::string, const Rows::Group*> groups_;
  std::map<std::string, std::vector<const Rows::Member*>> members_;
  std::map<std::string, const Request*> traced_;
  std::map<std::string, std::vector<const Request*>> askers_by_what_;
};

} // namespace regroup::chaos
