#pragma once
#include "domain/log.hpp"
#include "telemetry/line_writer.hpp"

#include <atomic>
#include <cstdio>
#include <string_view>

namespace regroup::telemetry {

/// domain::Log on a stream: one JSON object per line (`{"ts": RFC 3339 with milliseconds, "level",
/// "event", …fields}`), or a readable line of text for terminals. Lines of several threads, or of
/// processes that share the file, do not mix. No caller waits for the stream's reader
/// (line_writer.hpp); an event `log.lines_dropped` counts the lines dropped instead.
class StreamLog final : public domain::Log {
public:
  enum class Format { text, json };
  StreamLog(std::FILE* stream, Format format, domain::LogLevel level);

  void event(domain::LogLevel level, std::string_view name,
             std::initializer_list<domain::LogField> fields) noexcept override;

  bool flush(std::chrono::milliseconds limit) noexcept override { return writer_.flush(limit); }
  std::uint64_t dropped() const noexcept override { return writer_.dropped(); }

  /// Takes effect at once. From any thread.
  void set_level(domain::LogLevel level) noexcept { level_.store(level); }

private:
  std::string line(domain::LogLevel level, std::string_view name,
                   std::initializer_list<domain::LogField> fields) const;

  Format format_;
  std::atomic<domain::LogLevel> level_;
  LineWriter writer_; // last: it uses the others
};

} // namespace regroup::telemetry
