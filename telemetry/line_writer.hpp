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

/// Writes lines to a file, a pipe or a terminal from a thread of its own, so a stalled reader
/// blocks that thread and no other. Lines that find no room meanwhile are dropped and counted, and
/// a line with the count follows as soon as lines can be written again.
class LineWriter {
public:
  /// Makes the line that reports how many were dropped.
  using DroppedLine = std::function<std::string(std::uint64_t lines)>;

  /// Never closes `file`.
  LineWriter(int file, DroppedLine dropped_line);
  /// Gives the reader kFarewell to take what is left, then drops it.
  ~LineWriter();
  LineWriter(const LineWriter&) = delete;
  LineWriter& operator=(const LineWriter&) = delete;

  /// Writes a whole line, with its line break. From any thread; never waits for the file.
  void put(std::string_view line) noexcept;
  /// Counts a line that could not be made.
  void drop() noexcept;

  /// Waits at most `limit` for the lines put so far to be written. Returns whether they are.
  bool flush(std::chrono::milliseconds limit) noexcept;

  /// Lines dropped since the start.
  std::uint64_t dropped() const noexcept { return dropped_.load(std::memory_order_relaxed); }

  /// How many bytes may wait for the reader; as many again may be on their way to it.
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
  std::uint64_t untold_ = 0; // dropped, but not reported by a line yet
  bool busy_ = false;        // the thread is writing
  bool ending_ = false;
  std::atomic<std::uint64_t> dropped_{0};
  std::atomic<bool> abandoned_{false}, ended_{false};
  std::thread thread_;
};

} // namespace regroup::telemetry
