#pragma once
#include "db/session.hpp"
#include "domain/command.hpp"
#include "domain/outcome.hpp"

namespace regroup::db {

// Pages of what a user may see. Each throws NotKept.

Task<domain::Answer> list_group_members(Session& session, const domain::ListGroupMembers& query);
Task<domain::Answer> list_groups(Session& session, const domain::ListGroups& query);
Task<domain::Answer> list_groups_of_device(Session& session,
                                           const domain::ListGroupsOfDevice& query);
Task<domain::Answer> list_devices(Session& session, const domain::ListDevices& query);

} // namespace regroup::db
