#pragma once
#include "domain/uuid.hpp"
#include "tests/service/chaos/history.hpp"
#include "tests/support/sql.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace regroup::chaos {

/// A registration group, and those who will ask for it. Each of them is a user of this group alone
/// and owns one of its devices, so that the user in an audit row tells whose request it was.
struct Group {
  std::string id;
  std::vector<domain::Uuid> devices;
  std::vector<domain::Uuid> users; // the owners of the first devices, in their order
};

/// Writes `count` new groups with their devices and users: `smallest` to `largest` devices each.
/// `prefix` must be new in the database.
std::vector<Group> add_groups(test::Sql& sql, const std::string& prefix, std::size_t count,
                              std::size_t smallest, std::size_t largest);

/// All that migrations have written.
Rows read_rows(test::Sql& sql);

} // namespace regroup::chaos
