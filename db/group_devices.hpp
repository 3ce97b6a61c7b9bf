#pragma once
#include "db/pipeline.hpp"
#include "domain/command.hpp"
#include "domain/outcome.hpp"

namespace regroup::db {

/// The parameters of `statements::change_devices`.
Parameters parameters_of(const domain::ChangeGroupDevices& change);

/// From a reply of regroup_change_devices_v1 or regroup_settle_v1. Throws if it holds none.
domain::GroupDevicesChanged changed_from(const domain::ChangeGroupDevices& change,
                                         const Reply& reply);

} // namespace regroup::db
