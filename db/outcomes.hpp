#pragma once
#include "domain/outcome.hpp"

#include <optional>
#include <string_view>

namespace regroup::db {

/// The refusal that an outcome of our SQL functions stands for: a word means the same in all of
/// them. Nothing if it is none, such as `completed`.
std::optional<domain::Refused> refusal_named(std::string_view outcome);

} // namespace regroup::db
