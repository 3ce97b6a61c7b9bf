#pragma once
#include "db/pipeline.hpp"
#include "domain/command.hpp"

namespace regroup::db {

/// The parameters of `statements::register_device`.
Parameters parameters_of(const domain::RegisterDevice& command);

} // namespace regroup::db
