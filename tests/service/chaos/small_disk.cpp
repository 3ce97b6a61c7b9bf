#include "tests/service/chaos/small_disk.hpp"

#include "db/file_descriptor.hpp"

#include <sys/mount.h>

#include <cerrno>
#include <fcntl.h>
#include <mutex>
#include <sched.h>
#include <string>
#include <system_error>
#include <unistd.h>

namespace regroup::chaos {
namespace {

constexpr const char* kSize = "size=24m,mode=0700";

[[noreturn]] void fail(const char* what) {
  throw std::system_error{errno, std::generic_category(),
                          std::string{what} + ": this fault cannot be shown without (run as root)"};
}

/// So that nothing that is mounted from now on is seen outside, or outlives us.
void leave_the_others_mounts() {
  if (::unshare(CLONE_NEWNS) != 0 ||
      ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
    fail("cannot have a mount namespace");
}

} // namespace

SmallDisk::SmallDisk() : folder_{parent_.path() / "disk"}, filler_{parent_.path() / "disk/filler"} {
  static std::once_flag left;
  std::call_once(left, leave_the_others_mounts);
  std::filesystem::create_directory(folder_);
  if (::mount("none", folder_.c_str(), "tmpfs", 0, kSize) != 0)
    fail("cannot mount a file system");
}

SmallDisk::~SmallDisk() { ::umount2(folder_.c_str(), MNT_DETACH); }

void SmallDisk::fill() {
  const db::FileDescriptor file{
      ::open(filler_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)};
  const std::string page(4096, '-');
  while (::write(file.get(), page.data(), page.size()) > 0) {
  }
  if (errno != ENOSPC)
    fail("cannot fill a file system");
}

void SmallDisk::make_room() { std::filesystem::remove(filler_); }

} // namespace regroup::chaos
