#pragma once
#include "db/session.hpp"
#include "domain/command.hpp"
#include "domain/outcome.hpp"

namespace regroup::db {

/// The parameters of `statements::register_device`.
Parameters parameters_of(const domain::RegisterDevice& command);

// Each throws NotKept. A registration whose end is unknown may be sent again.

Task<domain::Answer> register_device(Session& session, const domain::RegisterDevice& command);
Task<domain::Answer> find_registration_group(Session& session,
                                             const domain::FindRegistrationGroup& query);
Task<domain::Answer> list_group_devices(Session& session, const domain::ListGroupDevices& query);

} // namespace regroup::db
