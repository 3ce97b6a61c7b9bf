#pragma once
#include <chrono>
#include <csignal>
#include <ctime>

namespace regroup::app {

/// SIGTERM and SIGINT, taken by the one thread that asks for them. To be made before any other
/// thread, since those inherit the mask. SIGPIPE is nothing to a server.
class Signals {
public:
  Signals() {
    static_cast<void>(std::signal(SIGPIPE, SIG_IGN)); // the signal exists, so it cannot fail
    sigemptyset(&stop_);
    sigaddset(&stop_, SIGTERM);
    sigaddset(&stop_, SIGINT);
    pthread_sigmask(SIG_BLOCK, &stop_, nullptr);
  }

  /// Whether one came within the time.
  bool wait(std::chrono::milliseconds span) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(span);
    const std::chrono::nanoseconds rest = span - seconds;
    const timespec limit{seconds.count(), rest.count()};
    return sigtimedwait(&stop_, nullptr, &limit) > 0;
  }

private:
  sigset_t stop_{};
};

} // namespace regroup::app
