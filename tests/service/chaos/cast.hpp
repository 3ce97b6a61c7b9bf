#pragma once
#include "domain/uuid.hpp"
#include "tests/service/chaos/history.hpp"
#include "tests/support/sql.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace regroup::chaos {

/// A registration group, and those who will ask for it, each a user of this group alone.
struct Group {
  std::string id;
  std::vector<domain::Uuid> devices;
  std::vector<domain::Uuid> users;
};

/// What the names of groups begin with that have one caller each.
inline constexpr const char* kOwnGroups = "own-";

enum class Owners {
  each, // the first devices have a user each
  one,  // all of them belong to one user
};

/// Writes `count` new groups with their devices and users: `smallest` to `largest` devices each.
/// `prefix` must be new in the database.
std::vector<Group> add_groups(test::Sql& sql, const std::string& prefix, std::size_t count,
                              std::size_t smallest, std::size_t largest, Owners owners);

/// All that migrations, undos and changes have written.
Rows read_rows(test::Sql& sql);

} // namespace regroup::chaos
