#include "app/notify.hpp"

#include "db/file_descriptor.hpp"

#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <unistd.h>

namespace regroup::app {
namespace {

/// Reads an environment variable, and removes it.
std::string take_variable(const char* name) {
  // NOLINTBEGIN(concurrency-mt-unsafe): there is one thread yet
  const char* value = std::getenv(name);
  std::string text = value == nullptr ? "" : value;
  unsetenv(name);
  // NOLINTEND(concurrency-mt-unsafe)
  return text;
}

std::int64_t number_in(const std::string& text) {
  std::int64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

} // namespace

Notifier::Notifier() : socket_(take_variable("NOTIFY_SOCKET")) {
  if (socket_.starts_with('@'))
    socket_.front() = '\0';
  const auto period = number_in(take_variable("WATCHDOG_USEC"));
  const auto whose = number_in(take_variable("WATCHDOG_PID"));
  if (!socket_.empty() && period > 0 && (whose == 0 || whose == getpid())) {
    const auto half = std::chrono::microseconds{period / 2};
    heartbeat_ = std::max(std::chrono::milliseconds{1},
                          std::chrono::duration_cast<std::chrono::milliseconds>(half));
  }
}

void Notifier::tell(std::string_view state) const noexcept {
  sockaddr_un address{};
  if (socket_.empty() || socket_.size() >= sizeof address.sun_path)
    return;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, socket_.data(), socket_.size());
  const db::FileDescriptor socket{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  // Errors are ignored: a manager that does not listen does not want to know.
  static_cast<void>(
      ::sendto(socket.get(), state.data(), state.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
               reinterpret_cast<const sockaddr*>(&address),
               static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_.size())));
}

void Notifier::tell_reloading() const noexcept {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  const std::int64_t microseconds = std::int64_t{now.tv_sec} * 1000000 + now.tv_nsec / 1000;
  tell("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(microseconds));
}

} // namespace regroup::app
