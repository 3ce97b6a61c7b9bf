#pragma once
#include "domain/log.hpp"

#include <atomic>
#include <cstdio>
#include <shared_mutex>
#include <string_view>

namespace regroup::telemetry {

/// domain::Log on a stream: one JSON object a line (`{"ts": RFC 3339 with milliseconds, "level",
/// "event", …fields}`), or a readable line of text for terminals. A line is one write(2), so lines
/// of several threads, or of processes that share the file, do not mix, and none is lost when this
/// one is killed.
class StreamLog final : public domain::Log {
public:
  enum class Format { text, json };
  StreamLog(std::FILE* stream, Format format, domain::LogLevel level);

  void event(domain::LogLevel level, std::string_view name,
             std::initializer_list<domain::LogField> fields) noexcept override;

  /// Takes effect at once, from any thread.
  void set_level(domain::LogLevel level) noexcept { level_.store(level); }

private:
  void write(std::string_view line) noexcept;

  int file_;
  std::shared_mutex whole_; // held alone by a line that the kernel may write in parts
  Format format_;
  std::atomic<domain::LogLevel> level_;
};

} // namespace regroup::telemetry
