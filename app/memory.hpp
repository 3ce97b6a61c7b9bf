#pragma once

namespace regroup::app {

/// Gives to the kernel what was freed and is kept for later: after a storm that is a good part of
/// the resident memory. For quiet moments, since it waits for the allocator's locks.
void give_memory_back();

} // namespace regroup::app
