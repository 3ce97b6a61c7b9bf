#pragma once
#include "tests/service/chaos/caller.hpp"

#include <vector>

namespace regroup::chaos {

/// After a fault: waits until nothing is under way any more, migrates every group that was asked
/// for and not migrated, and asks every replica about every migration that was left open. The
/// record has all of it. Throws std::runtime_error when something stays under way.
void settle(Stage& stage, Record& record, const std::vector<Group>& groups);

} // namespace regroup::chaos
