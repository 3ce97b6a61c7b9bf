#pragma once
#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace regroup::domain {

enum class LogLevel : std::uint8_t { debug, info, warning, error };

/// std::monostate: the field is omitted.
using LogValue = std::variant<std::string_view, std::int64_t, double, bool, std::monostate>;
using LogField = std::pair<std::string_view, LogValue>;

/// The text, or no field if it is empty.
inline LogValue if_any(std::string_view text) {
  return text.empty() ? LogValue{std::monostate{}} : LogValue{text};
}

/// The port to the log: one event per line, with named fields. Thread-safe, never throws, and
/// event() does not wait for the log's reader. A field never holds a secret (a token, a key, a
/// password, a connection string).
class Log {
public:
  virtual ~Log() = default;
  virtual void event(LogLevel level, std::string_view name,
                     std::initializer_list<LogField> fields) noexcept = 0;

  /// Waits at most `limit` for the events logged so far to be written. Returns whether they are.
  virtual bool flush(std::chrono::milliseconds /*limit*/) noexcept { return true; }

  /// How many events were dropped because the reader did not take them.
  virtual std::uint64_t dropped() const noexcept { return 0; }
};

} // namespace regroup::domain
