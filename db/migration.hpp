#pragma once
#include "db/pipeline.hpp"
#include "db/schema/schema.hpp"
#include "domain/command.hpp"
#include "domain/outcome.hpp"

#include <chrono>
#include <cstdint>
#include <string_view>

namespace regroup::db {

/// The parameters of `statements::migrate`. `started`: when a worker took the command.
Parameters parameters_of(const domain::MigrationCommand& command, const SchemaFacts& facts,
                         std::chrono::steady_clock::time_point started);

/// A refusal with the details that its code documents.
domain::Refusal refusal_about(const domain::MigrationCommand& command, domain::Refused reason);

/// From a reply of regroup_migrate_v2 or regroup_settle_v1. Throws if it holds none.
domain::MigrationCompleted completed_from(const Reply& reply);

/// The caller's refusal for an outcome of regroup_migrate_v2 or regroup_plan_v2 and its details;
/// not for success. `limit`: the number of devices that was passed to the function.
domain::Refusal refusal_of(std::string_view outcome, const Reply& reply,
                           const domain::MigrationCommand& command, std::int64_t limit);

} // namespace regroup::db
