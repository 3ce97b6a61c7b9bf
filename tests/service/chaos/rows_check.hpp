#pragma once
#include "tests/service/chaos/evidence.hpp"

#include <string>
#include <vector>

namespace regroup::chaos {

/// Whether all rows of each migration, undo and change are there, or none: adds a sentence for what
/// is partial.
void check_rows(const History& history, const Rows& rows, const Evidence& evidence,
                std::vector<std::string>& partial);

} // namespace regroup::chaos
