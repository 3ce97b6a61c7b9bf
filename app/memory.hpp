#pragma once

namespace regroup::app {

/// Returns freed memory that the allocator keeps for reuse to the kernel: after a peak of load that
/// is a good part of the resident memory. For quiet moments, since it waits for the allocator's
/// locks.
void give_memory_back();

} // namespace regroup::app
