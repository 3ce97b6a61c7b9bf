#pragma once
#include "tests/support/temp_folder.hpp"

#include <cstddef>
#include <filesystem>

namespace regroup::chaos {

/// A file system of a few megabytes, in memory, seen by this process and by those that it starts
/// from now on; gone with them, however they end.
class SmallDisk {
public:
  /// To be made in the main thread. Throws std::system_error where mounting is not permitted: it
  /// takes root (CAP_SYS_ADMIN).
  SmallDisk();
  ~SmallDisk();
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  const std::filesystem::path& folder() const { return folder_; }

  /// Until nothing more can be written.
  void fill();
  void make_room();

private:
  test::TempFolder parent_;
  std::filesystem::path folder_, filler_;
};

} // namespace regroup::chaos
