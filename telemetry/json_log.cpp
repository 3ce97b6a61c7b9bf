#include "telemetry/json_log.hpp"

#include "text/json_text.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

namespace regroup::telemetry {
namespace {

using nlohmann::ordered_json;

constexpr std::array<std::string_view, 4> kJsonLevels{"debug", "info", "warning", "error"};
constexpr std::array<std::string_view, 4> kTextLevels{"DEBUG", "INFO ", "WARN ", "ERROR"};

/// Without the fraction, since lines of the same second share this text.
std::string text_of_second(std::chrono::sys_seconds time) {
  using namespace std::chrono; // NOLINT: the words of a calendar
  const auto day = floor<days>(time);
  const year_month_day date{day};
  const hh_mm_ss clock{time - day};
  std::array<char, 64> text{};
  const int length = std::snprintf(
      text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d.", static_cast<int>(date.year()),
      static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
      static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
      static_cast<int>(clock.seconds().count()));
  return {text.data(), static_cast<std::size_t>(length)};
}

/// RFC 3339, UTC, milliseconds.
std::string now() {
  using namespace std::chrono; // NOLINT: the words of a calendar
  thread_local sys_seconds known{};
  thread_local std::string text = text_of_second(known);
  const auto time = floor<milliseconds>(system_clock::now());
  const auto second = floor<seconds>(time);
  if (second != known) {
    text = text_of_second(second);
    known = second;
  }
  const auto fraction = static_cast<int>((time - second).count());
  std::string whole = text;
  for (const int unit : {100, 10, 1})
    whole += static_cast<char>('0' + fraction / unit % 10);
  return whole + "Z";
}

ordered_json json_of(const domain::LogValue& value) {
  return std::visit(
      []<class T>(const T& held) {
        if constexpr (std::is_same_v<T, std::monostate>)
          return ordered_json{};
        else
          return ordered_json(held);
      },
      value);
}

/// Invalid UTF-8 becomes U+FFFD, and the result is ASCII: some readers take U+0085 or U+2028 for
/// the end of a line, and terminals take U+009B for the start of a command.
std::string dump_ascii(const ordered_json& value) {
  return value.dump(-1, ' ', true, ordered_json::error_handler_t::replace);
}

/// The length in bytes of the character at `at` (valid UTF-8) if a terminal acts on it or if it
/// reorders text: DEL, C1, U+2028 to U+202E, U+2066 to U+2069. Otherwise 0. C0 has been escaped
/// already.
std::size_t unprintable_length(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t n) {
    return at + n < text.size() ? static_cast<unsigned char>(text[at + n]) : 0U;
  };
  if (byte(0) == 0x7f)
    return 1;
  if (byte(0) == 0xc2 && byte(1) < 0xa0)
    return 2;
  const bool is_separator = byte(1) == 0x80 && byte(2) >= 0xa8 && byte(2) <= 0xae;
  const bool is_isolate = byte(1) == 0x81 && byte(2) >= 0xa6 && byte(2) <= 0xa9;
  return byte(0) == 0xe2 && (is_separator || is_isolate) ? 3 : 0;
}

/// Quoted, and readable on a terminal: letters of every script stay as they are.
std::string dump_readable(const ordered_json& value) {
  const std::string utf8 = value.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
  std::string text;
  for (std::size_t at = 0; at < utf8.size();) {
    const std::size_t length = unprintable_length(utf8, at);
    if (length == 0) {
      text += utf8[at++];
      continue;
    }
    const std::string escaped = dump_ascii(utf8.substr(at, length)); // "\u0085"
    text.append(escaped, 1, escaped.size() - 2);
    at += length;
  }
  return text;
}

std::string without_quotes(std::string_view name) {
  const std::string quoted = dump_readable(name);
  return quoted.substr(1, quoted.size() - 2);
}

bool is_taken(std::string_view name, const domain::LogField* from, const domain::LogField* to) {
  return name == "ts" || name == "level" || name == "event" ||
         std::any_of(from, to, [&](const auto& field) { return field.first == name; });
}

/// ASCII only: some readers take U+0085 or U+2028 for the end of a line.
std::string json_line(std::size_t level, std::string_view name,
                      std::initializer_list<domain::LogField> fields) {
  text::JsonObject line{text::JsonCharset::ascii};
  line.add("ts", now()).add("level", kJsonLevels.at(level)).add("event", name);
  for (auto field = fields.begin(); field != fields.end(); ++field)
    if (!is_taken(field->first, fields.begin(), field)) // the first field of a name wins
      std::visit(
          [&]<class T>(const T& held) {
            if constexpr (!std::is_same_v<T, std::monostate>)
              line.add(field->first, held);
          },
          field->second);
  return line.text() + "\n";
}

std::string text_line(std::size_t level, std::string_view name,
                      std::initializer_list<domain::LogField> fields) {
  std::string line = now();
  line.append(" ").append(kTextLevels.at(level)).append(" ").append(without_quotes(name));
  for (const auto& [field, value] : fields)
    if (!std::holds_alternative<std::monostate>(value))
      line.append(" ")
          .append(without_quotes(field))
          .append("=")
          .append(dump_readable(json_of(value)));
  return line + "\n";
}

} // namespace

StreamLog::StreamLog(std::FILE* stream, Format format, domain::LogLevel level)
    : format_(format), level_(level), writer_(::fileno(stream), [this](std::uint64_t lines) {
        return line(domain::LogLevel::warning, "log.lines_dropped",
                    {{"lines", static_cast<std::int64_t>(lines)}});
      }) {}

void StreamLog::event(domain::LogLevel level, std::string_view name,
                      std::initializer_list<domain::LogField> fields) noexcept try {
  if (level >= level_.load(std::memory_order_relaxed))
    writer_.put(line(level, name, fields));
} catch (const std::exception&) { // no memory
  writer_.drop();
}

std::string StreamLog::line(domain::LogLevel level, std::string_view name,
                            std::initializer_list<domain::LogField> fields) const {
  const auto make_line = format_ == Format::json ? json_line : text_line;
  return make_line(static_cast<std::size_t>(level), name, fields);
}

} // namespace regroup::telemetry
