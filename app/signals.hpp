#pragma once
#include <chrono>
#include <csignal>
#include <ctime>
#include <fcntl.h>
#include <unistd.h>

namespace regroup::app {

/// SIGTERM, SIGINT and SIGHUP, taken by the one thread that asks for them. To be made before any
/// other thread, since those inherit the mask. SIGPIPE is nothing to a server.
class Signals {
public:
  enum class Came { nothing, stop, reload };

  Signals() : ends_with_terminal_(!is_ignored(SIGHUP) && has_terminal()) {
    static_cast<void>(std::signal(SIGPIPE, SIG_IGN)); // the signal exists, so it cannot fail
    sigemptyset(&taken_);
    for (const int number : {SIGTERM, SIGINT, SIGHUP})
      sigaddset(&taken_, number);
    pthread_sigmask(SIG_BLOCK, &taken_, nullptr);
  }

  /// What came within the time. SIGHUP means two things: read the settings anew, and, where it
  /// comes because the terminal that this was started from is gone, stop.
  Came wait(std::chrono::milliseconds span) const {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(span);
    const std::chrono::nanoseconds rest = span - seconds;
    const timespec limit{seconds.count(), rest.count()};
    const int number = sigtimedwait(&taken_, nullptr, &limit);
    if (number <= 0)
      return Came::nothing;
    const bool hung_up = ends_with_terminal_ && !has_terminal();
    return number == SIGHUP && !hung_up ? Came::reload : Came::stop;
  }

private:
  static bool has_terminal() {
    const int terminal = open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC);
    return terminal >= 0 && close(terminal) == 0;
  }

  /// As by nohup, which wants the program to outlive the terminal.
  static bool is_ignored(int number) {
    struct sigaction action {};
    return sigaction(number, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
  }

  bool ends_with_terminal_;
  sigset_t taken_{};
};

} // namespace regroup::app
