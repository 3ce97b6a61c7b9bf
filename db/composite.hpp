#pragma once
#include "db/pipeline.hpp"

#include <span>

namespace regroup::db {

/// The fields of a composite value, the column "composite" of the only row of `reply`, as columns
/// with these names, in the type's order. `SELECT f(…)` costs the planner a tenth of a migration
/// less than `SELECT … FROM f(…)` with a column for each field. Throws std::runtime_error if it is
/// no such value (PostgreSQL manual, 8.16.6), and std::logic_error if there is another number of
/// fields.
Reply fields_of(const Reply& reply, std::span<const char* const> names);

} // namespace regroup::db
