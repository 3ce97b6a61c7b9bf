#pragma once
#include <cerrno>
#include <string>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace regroup::db {

/// The message for errno, which the last failed system call has set.
inline std::string errno_text() { return std::generic_category().message(errno); }

/// An open file descriptor, closed by its owner's destructor.
class FileDescriptor {
public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_{fd} {}
  ~FileDescriptor() { reset(); }

  FileDescriptor(FileDescriptor&& other) noexcept : fd_{std::exchange(other.fd_, -1)} {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

  void reset() {
    if (fd_ >= 0)
      ::close(std::exchange(fd_, -1));
  }

private:
  int fd_ = -1;
};

} // namespace regroup::db
