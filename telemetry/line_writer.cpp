#include "telemetry/line_writer.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <csignal>
#include <poll.h>
#include <unistd.h>
#include <utility>

namespace regroup::telemetry {
namespace {

using namespace std::chrono_literals;

/// Interrupts a blocked write(2). By default this signal does nothing to a process, and no shell
/// sends it.
constexpr int kWake = SIGURG;

/// Without SA_RESTART, so that write(2) returns.
void make_wake_interrupt() {
  struct sigaction action {};
  action.sa_handler = [](int) {};
  sigemptyset(&action.sa_mask);
  ::sigaction(kWake, &action, nullptr);
}

/// Threads started during its lifetime block all signals but kWake: another thread handles SIGTERM.
class OtherSignalsBlocked {
public:
  OtherSignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    sigdelset(&all, kWake);
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~OtherSignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  OtherSignalsBlocked(const OtherSignalsBlocked&) = delete;
  OtherSignalsBlocked& operator=(const OtherSignalsBlocked&) = delete;

private:
  sigset_t before_{};
};

/// As many whole lines as one write(2) keeps together when other processes write to the same pipe
/// (POSIX: PIPE_BUF bytes), or a single longer line.
std::string_view next_write(std::string_view lines) {
  const auto last = lines.substr(0, PIPE_BUF).rfind('\n');
  return lines.substr(0, (last == lines.npos ? lines.find('\n') : last) + 1);
}

} // namespace

LineWriter::LineWriter(int file, DroppedLine dropped_line)
    : file_(file), dropped_line_(std::move(dropped_line)) {
  make_wake_interrupt();
  const OtherSignalsBlocked blocked;
  thread_ = std::thread{[this] { run(); }};
}

LineWriter::~LineWriter() {
  flush(kFarewell);
  {
    const std::scoped_lock lock{mutex_};
    ending_ = true;
    abandoned_ = true;
  }
  work_.notify_one();
  while (!ended_) { // repeated: a signal may come just before write(2) blocks
    ::pthread_kill(thread_.native_handle(), kWake);
    std::this_thread::sleep_for(1ms);
  }
  thread_.join();
}

void LineWriter::put(std::string_view line) noexcept try {
  {
    const std::scoped_lock lock{mutex_};
    if (waiting_.size() + line.size() > kMostBytes) {
      ++untold_;
      dropped_.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    waiting_ += line;
    if (busy_)
      return; // the thread looks again before it sleeps
  }
  work_.notify_one();
} catch (const std::exception&) { // no memory
  drop();
}

void LineWriter::drop() noexcept {
  const std::scoped_lock lock{mutex_};
  ++untold_;
  dropped_.fetch_add(1, std::memory_order_relaxed);
}

bool LineWriter::flush(std::chrono::milliseconds limit) noexcept {
  std::unique_lock lock{mutex_};
  return idle_.wait_for(lock, limit, [&] { return waiting_.empty() && !busy_; });
}

void LineWriter::run() {
  std::string lines;
  std::unique_lock lock{mutex_};
  while (true) {
    busy_ = false;
    idle_.notify_all();
    work_.wait(lock, [&] { return ending_ || !waiting_.empty(); });
    if (waiting_.empty())
      break;
    busy_ = true;
    lines.swap(waiting_);
    auto untold = std::exchange(untold_, 0);
    lock.unlock();
    const auto failed = write_lines(lines);
    dropped_.fetch_add(failed, std::memory_order_relaxed);
    untold += failed;
    if (untold > 0 && tell(untold))
      untold = 0;
    lines.clear();
    lock.lock();
    untold_ += untold;
  }
  ended_ = true;
}

/// Returns how many lines could not be written.
std::uint64_t LineWriter::write_lines(std::string_view lines) noexcept {
  std::uint64_t failed = 0;
  while (!lines.empty()) {
    const auto part = next_write(lines);
    if (!write_whole(part))
      failed += static_cast<std::uint64_t>(std::count(part.begin(), part.end(), '\n'));
    lines.remove_prefix(part.size());
  }
  return failed;
}

bool LineWriter::tell(std::uint64_t dropped) noexcept try {
  return write_whole(dropped_line_(dropped));
} catch (const std::exception&) { // no memory
  return false;
}

bool LineWriter::write_whole(std::string_view lines) noexcept {
  while (!lines.empty() && !abandoned_) {
    const auto written = ::write(file_, lines.data(), lines.size());
    if (written >= 0) {
      lines.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno == EAGAIN) { // another process, say on the same terminal, set O_NONBLOCK
      pollfd room{file_, POLLOUT, 0};
      ::poll(&room, 1, -1);
    } else if (errno != EINTR) {
      return false;
    }
  }
  return lines.empty();
}

} // namespace regroup::telemetry
