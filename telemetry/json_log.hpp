#pragma once
#include "domain/log.hpp"

#include <atomic>
#include <cstdio>
#include <string_view>

namespace regroup::telemetry {

/// domain::Log on a stream: one JSON object a line (`{"ts": RFC 3339 with milliseconds, "level",
/// "event", …fields}`), or a readable line of text for terminals. A line is one write, so lines of
/// several threads never mix.
class StreamLog final : public domain::Log {
public:
  enum class Format { text, json };
  StreamLog(std::FILE* stream, Format format, domain::LogLevel level);

  void event(domain::LogLevel level, std::string_view name,
             std::initializer_list<domain::LogField> fields) noexcept override;

  /// Takes effect at once, from any thread.
  void set_level(domain::LogLevel level) noexcept { level_.store(level); }

private:
  std::FILE* stream_;
  Format format_;
  std::atomic<domain::LogLevel> level_;
};

} // namespace regroup::telemetry
