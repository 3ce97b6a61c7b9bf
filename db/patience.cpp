#include "db/patience.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <system_error>
#include <utility>

namespace regroup::db {

void Patience::allow(domain::Deadline deadline, std::chrono::milliseconds at_most) {
  deadline_ = deadline;
  at_most_ = at_most;
}

void Patience::watch(int socket) {
  FileDescriptor own{::fcntl(socket, F_DUPFD_CLOEXEC, 0)};
  if (!own)
    throw std::system_error(errno, std::generic_category(), "a socket cannot be watched");
  const std::scoped_lock lock{mutex_};
  std::swap(socket_, own);
  silent_ = false;
}

void Patience::forget() noexcept {
  FileDescriptor own;
  const std::scoped_lock lock{mutex_};
  std::swap(socket_, own);
  over_ = Clock::time_point::max();
}

int Patience::socket() const {
  const std::scoped_lock lock{mutex_};
  return socket_.get();
}

void Patience::begin() noexcept {
  const auto now = Clock::now();
  const auto over = std::min(now + at_most_, std::max(now, deadline_)) + margin;
  const std::scoped_lock lock{mutex_};
  over_ = over;
}

void Patience::end() noexcept {
  const std::scoped_lock lock{mutex_};
  over_ = Clock::time_point::max();
}

bool Patience::end_if_over(bool outdated) noexcept {
  const std::scoped_lock lock{mutex_};
  if (!socket_ || over_ == Clock::time_point::max())
    return false;
  const bool silent = Clock::now() > over_;
  if (!silent && !outdated)
    return false;
  ::shutdown(socket_.get(), SHUT_RDWR);
  over_ = Clock::time_point::max();
  silent_ = silent;
  return true;
}

bool Patience::was_silent() const noexcept {
  const std::scoped_lock lock{mutex_};
  return silent_;
}

} // namespace regroup::db
