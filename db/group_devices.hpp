#pragma once
#include "db/settlement.hpp"
#include "domain/command.hpp"
#include "domain/outcome.hpp"

namespace regroup::db {

/// Runs the change, with its retries and its settlement, to an outcome that is true.
Task<domain::Answer> change_group_devices(const OperationTools& tools,
                                          const domain::ChangePtr& change);

/// Out of a reply of regroup_change_devices_v1 or regroup_settle_v1. Throws where it holds no such
/// thing.
domain::GroupDevicesChanged changed_from(const domain::ChangeGroupDevices& change,
                                         const Reply& reply);

} // namespace regroup::db
