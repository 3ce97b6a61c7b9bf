#pragma once
#include <sys/resource.h>

#include <algorithm>
#include <cstddef>

namespace regroup::app {

/// Raises this process's limit of open files to `wanted`, or as far as the system allows: many
/// systems start a service with 1,024 and allow it far more. Returns the limit now in force.
inline std::size_t raise_file_limit(std::size_t wanted) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
    return wanted;
  if (limit.rlim_cur < wanted) {
    rlimit raised = limit;
    raised.rlim_cur = std::min<rlim_t>(wanted, limit.rlim_max);
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
      limit = raised;
  }
  return limit.rlim_cur; // RLIM_INFINITY is the largest value
}

} // namespace regroup::app
