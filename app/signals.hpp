#pragma once
#include <chrono>
#include <csignal>
#include <ctime>
#include <fcntl.h>
#include <unistd.h>

namespace regroup::app {

/// Receives SIGTERM, SIGINT and SIGHUP in the one thread that calls wait(). Construct it before any
/// other thread starts, since threads inherit the signal mask. SIGPIPE is ignored.
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

  /// Waits for a signal, at most for `span`. SIGHUP means two things: read the settings anew or, if
  /// it comes because the terminal that started this process is gone, stop.
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

  /// As nohup sets it, so that the program outlives the terminal.
  static bool is_ignored(int number) {
    struct sigaction action {};
    return sigaction(number, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
  }

  bool ends_with_terminal_;
  sigset_t taken_{};
};

} // namespace regroup::app
