#pragma once
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

namespace regroup::telemetry {

/// Writes lines to a file, a pipe or a terminal from a thread of its own: a reader that has stopped
/// reading keeps that one thread waiting and no other. What finds no room meanwhile is dropped and
/// counted, and the count is a line as soon as lines can be written again.
class LineWriter {
public:
  /// The line that says how many were dropped.
  using DroppedLine = std::function<std::string(std::uint64_t lines)>;

  /// Never closes `file`.
  LineWriter(int file, DroppedLine dropped_line);
  /// Gives the reader kFarewell to take what is left, then drops it.
  ~LineWriter();
  LineWriter(const LineWriter&) = delete;
  LineWriter& operator=(const LineWriter&) = delete;

  /// A whole line, ended. From any thread; never waits for the file.
  void put(std::string_view line) noexcept;
  /// Counts a line that could not be made.
  void drop() noexcept;

  /// Waits until what was put is written, at most for `limit`; whether it is.
  bool flush(std::chrono::milliseconds limit) noexcept;

  /// Lines dropped since the start.
  std::uint64_t dropped() const noexcept { return dropped_.load(std::memory_order_relaxed); }

  /// What may wait for the reader; as much again may be on its way to it.
  static constexpr std::size_t kMostBytes = std::size_t{4} << 20;
  static constexpr std::chrono::milliseconds kFarewell{1000};

private:
  void run();
  std::uint64_t write_lines(std::string_view lines) noexcept;
  bool tell(std::uint64_t dropped) noexcept;
  bool write_whole(std::string_view lines) noexcept;

  int file_;
  DroppedLine dropped_line_;
  std::mutex mutex_;
  std::condition_variable work_, idle_;
  std::string waiting_;
  std::uint64_t untold_ = 0; // dropped, and no line has said so yet
  bool busy_ = false;        // the thread has lines of its own
  bool ending_ = false;
  std::atomic<std::uint64_t> dropped_{0};
  std::atomic<bool> abandoned_{false}, ended_{false};
  std::thread thread_;
};

} // namespace regroup::telemetry
