#include "http/admin/admin_query.hpp"

#include "domain/names.hpp"
#include "http/auth/base64url.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <map>
#include <optional>

namespace regroup::http {
namespace {

using domain::Refusal;
using domain::Refused;
using Micros = std::chrono::sys_time<std::chrono::microseconds>;

constexpr std::array<std::string_view, 4> kStatuses{"success", "failed", "partial", "rolled_back"};
constexpr std::array<std::pair<std::string_view, std::chrono::hours>, 4> kSteps{
    {{"hour", std::chrono::hours{1}},
     {"day", std::chrono::hours{24}},
     {"week", std::chrono::hours{24 * 7}},
     {"month", std::chrono::hours{24 * 28}}}};
constexpr std::int64_t kMostSteps = 1000; // in one trend
constexpr std::int64_t kMostPerPage = 200;

/// Decodes a form value (WHATWG URL, application/x-www-form-urlencoded). Nothing if an escape is
/// invalid.
std::optional<std::string> unescape(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+') {
      plain += ' ';
    } else if (text[i] != '%') {
      plain += text[i];
    } else {
      unsigned byte = 0;
      const auto* digits = text.data() + i + 1;
      if (i + 2 >= text.size() || std::from_chars(digits, digits + 2, byte, 16).ptr != digits + 2)
        return std::nullopt;
      plain += static_cast<char>(byte);
      i += 2;
    }
  }
  return plain;
}

/// Takes a number of exactly `digits` digits off the front of the text.
std::optional<int> take_number(std::string_view& text, std::size_t digits) {
  int number = 0;
  const auto part = text.substr(0, digits);
  const auto all_digits =
      std::all_of(part.begin(), part.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (part.size() < digits || !all_digits)
    return std::nullopt;
  std::from_chars(part.data(), part.data() + digits, number);
  text.remove_prefix(digits);
  return number;
}

bool take(std::string_view& text, char c) {
  if (text.empty() || text.front() != c)
    return false;
  text.remove_prefix(1);
  return true;
}

std::optional<Micros> take_day(std::string_view& text) {
  const auto year = take_number(text, 4);
  const bool first_dash = take(text, '-');
  const auto month = take_number(text, 2);
  const bool second_dash = take(text, '-');
  const auto day = take_number(text, 2);
  if (!year || !first_dash || !month || !second_dash || !day)
    return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year{*year},
                                         std::chrono::month{static_cast<unsigned>(*month)},
                                         std::chrono::day{static_cast<unsigned>(*day)}};
  return date.ok() ? std::optional<Micros>{std::chrono::sys_days{date}} : std::nullopt;
}

std::optional<std::chrono::microseconds> take_time(std::string_view& text) {
  const auto hour = take_number(text, 2);
  const bool first_colon = take(text, ':');
  const auto minute = take_number(text, 2);
  const bool second_colon = take(text, ':');
  const auto second = take_number(text, 2);
  if (!hour || !first_colon || !minute || !second_colon || !second || *hour > 23 || *minute > 59 ||
      *second > 59)
    return std::nullopt;
  std::chrono::microseconds time =
      std::chrono::hours{*hour} + std::chrono::minutes{*minute} + std::chrono::seconds{*second};
  if (!take(text, '.'))
    return time;
  int digits = 0;
  for (std::int64_t unit = 100000; const auto digit = take_number(text, 1); unit /= 10, ++digits)
    time += std::chrono::microseconds{*digit * unit};
  return digits > 0 ? std::optional{time} : std::nullopt;
}

std::optional<std::chrono::minutes> take_offset(std::string_view& text) {
  if (take(text, 'Z') || take(text, 'z'))
    return std::chrono::minutes{0};
  const bool east = take(text, '+') || take(text, ' '); // a '+' that was not escaped
  if (!east && !take(text, '-'))
    return std::nullopt;
  const auto hours = take_number(text, 2);
  const bool colon = take(text, ':');
  const auto minutes = take_number(text, 2);
  if (!hours || !colon || !minutes || *hours > 23 || *minutes > 59)
    return std::nullopt;
  const auto offset = std::chrono::hours{*hours} + std::chrono::minutes{*minutes};
  return east ? offset : -offset;
}

constexpr std::chrono::sys_days kFirstDay{std::chrono::year{1} / 1 / 1};
constexpr std::chrono::sys_days kDayAfterLast{std::chrono::year{10000} / 1 / 1};

/// PostgreSQL's calendar has no year 0, and four digits end at the year 9999. An offset can move a
/// time past either limit.
std::optional<Micros> within_the_calendar(Micros at) {
  return at >= kFirstDay && at < kDayAfterLast ? std::optional{at} : std::nullopt;
}

std::optional<domain::HistoryPosition> parse_cursor(std::string_view text) {
  const auto plain = base64url_decode(text);
  const auto space = plain ? plain->find(' ') : std::string::npos;
  if (space == std::string::npos)
    return std::nullopt;
  const auto at = parse_time(std::string_view{*plain}.substr(0, space));
  const auto id = domain::Uuid::parse(std::string_view{*plain}.substr(space + 1));
  return at && id ? std::optional{domain::HistoryPosition{time_text(*at), *id}} : std::nullopt;
}

/// The parameters of a query string. The caller takes them one by one; errors and leftover
/// parameters are collected for the refusal.
class Parameters {
public:
  Parameters(std::string_view query, const domain::Unicode& unicode) : unicode_(unicode) {
    while (!query.empty()) {
      const auto ampersand = query.find('&');
      add(query.substr(0, ampersand));
      query =
          ampersand == std::string_view::npos ? std::string_view{} : query.substr(ampersand + 1);
    }
  }

  /// The value as `parse` returns it. Nothing if the parameter is absent or does not parse; in the
  /// latter case `must` becomes the error message.
  template <class Parse>
  auto take(const std::string& name, const char* must, Parse parse)
      -> decltype(parse(std::string{})) {
    const auto found = values_.find(name);
    if (found == values_.end())
      return std::nullopt;
    auto value = parse(found->second);
    values_.erase(found);
    if (!value)
      complain(name, must);
    return value;
  }

  void complain(const std::string& name, const std::string& message) {
    refusal_.fields.push_back({name, message});
  }

  /// Call after all known parameters were taken: what is left is unknown.
  std::optional<Refusal> refusal() {
    for (const auto& [name, value] : values_)
      complain(name.substr(0, 100), "is unknown");
    return refusal_.fields.empty() ? std::nullopt : std::optional{refusal_};
  }

private:
  void add(std::string_view pair) {
    if (pair.empty())
      return;
    const auto equals = pair.find('=');
    const auto name = unescape(pair.substr(0, equals));
    const auto value =
        unescape(equals == std::string_view::npos ? std::string_view{} : pair.substr(equals + 1));
    if (!name || !value || !unicode_.decode(*name) || !unicode_.decode(*value))
      complain("query", "must be escaped UTF-8");
    else if (!values_.emplace(*name, *value).second)
      complain(*name, "is there twice");
  }

  const domain::Unicode& unicode_;
  std::map<std::string, std::string> values_;
  Refusal refusal_{Refused::invalid_request};
};

constexpr const char* kTime = "must be a date or time such as 2026-11-24T20:33:18Z";

auto as_time(const std::string& text) { return parse_time(text); }
auto as_uuid(const std::string& text) { return domain::Uuid::parse(text); }
auto as_cursor(const std::string& text) { return parse_cursor(text); }

std::optional<std::string> as_status(const std::string& text) {
  const bool known = std::find(kStatuses.begin(), kStatuses.end(), text) != kStatuses.end();
  return known ? std::optional{text} : std::nullopt;
}

std::optional<std::int64_t> as_limit(const std::string& text) {
  std::int64_t number = 0;
  const auto* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  const bool good = error == std::errc{} && stop == end && number >= 1 && number <= kMostPerPage;
  return good ? std::optional{number} : std::nullopt;
}

std::optional<std::chrono::hours> step_of(const std::string& text) {
  for (const auto& [name, length] : kSteps)
    if (name == text)
      return length;
  return std::nullopt;
}

} // namespace

std::optional<Micros> parse_time(std::string_view text) {
  auto at = take_day(text);
  if (!at)
    return std::nullopt;
  if (text.empty())
    return within_the_calendar(*at);
  if (!take(text, 'T') && !take(text, 't'))
    return std::nullopt;
  const auto time = take_time(text);
  const auto offset = time ? take_offset(text) : std::nullopt;
  if (!offset || !text.empty())
    return std::nullopt;
  return within_the_calendar(*at + *time - *offset);
}

std::string time_text(Micros at) {
  const auto day = std::chrono::floor<std::chrono::days>(at);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss time{at - day};
  std::array<char, 64> text{};
  const int length = std::snprintf(
      text.data(), text.size(), "%04d-%02u-%02uT%02ld:%02ld:%02ld.%06ldZ",
      static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
      static_cast<unsigned>(date.day()), static_cast<long>(time.hours().count()),
      static_cast<long>(time.minutes().count()), static_cast<long>(time.seconds().count()),
      static_cast<long>(time.subseconds().count()));
  return {text.data(), static_cast<std::size_t>(length)};
}

std::variant<domain::ReadHistory, Refusal> parse_history(std::string_view query,
                                                         const domain::Unicode& unicode) {
  Parameters parameters{query, unicode};
  const auto as_group = [&](const std::string& text) -> std::optional<std::string> {
    const auto points = unicode.decode(text);
    const bool fit = points && !points->empty() &&
                     points->size() <= domain::kMaxRegistrationGroupId &&
                     std::none_of(text.begin(), text.end(), [](char c) { return c == '\0'; });
    return fit ? std::optional{text} : std::nullopt;
  };
  domain::ReadHistory history;
  history.user_id = parameters.take("user_id", "must be a UUID", as_uuid);
  history.status =
      parameters.take("status", "must be success, failed, partial or rolled_back", as_status);
  history.registration_group_id =
      parameters.take("registration_group_id", "must have 1 to 255 characters", as_group);
  const auto from = parameters.take("from", kTime, as_time);
  const auto to = parameters.take("to", kTime, as_time);
  history.after = parameters.take("cursor", "must be a next_cursor of this endpoint", as_cursor);
  history.limit =
      parameters.take("limit", "must be a whole number from 1 to 200", as_limit).value_or(50);
  if (from)
    history.from = time_text(*from);
  if (to)
    history.to = time_text(*to);
  if (auto refusal = parameters.refusal())
    return std::move(*refusal);
  return history;
}

std::variant<domain::ReadAnalytics, Refusal>
parse_analytics(std::string_view query, const domain::Unicode& unicode,
                std::chrono::system_clock::time_point now) {
  Parameters parameters{query, unicode};
  const auto as_step = [](const std::string& text) {
    return step_of(text) ? std::optional{text} : std::nullopt;
  };
  const auto to = parameters.take("to", kTime, as_time)
                      .value_or(std::chrono::floor<std::chrono::microseconds>(now));
  const auto from = parameters.take("from", kTime, as_time)
                        .value_or(std::max<Micros>(to - std::chrono::days{30}, kFirstDay));
  const auto step = parameters.take("granularity", "must be hour, day, week or month", as_step)
                        .value_or(std::string{"day"});
  if (from >= to)
    parameters.complain("from", "must be before to");
  else if ((to - from) / *step_of(step) > kMostSteps)
    parameters.complain("granularity", "must be longer: a trend has 1000 steps at most");
  if (auto refusal = parameters.refusal())
    return std::move(*refusal);
  return domain::ReadAnalytics{time_text(from), time_text(to), step};
}

std::optional<std::int64_t> parse_event_id(std::string_view text) {
  constexpr std::string_view kPrefix = "evt_";
  if (!text.starts_with(kPrefix))
    return std::nullopt;
  text.remove_prefix(kPrefix.size());
  std::int64_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  const bool good = error == std::errc{} && end == text.data() + text.size() && id > 0;
  return good ? std::optional{id} : std::nullopt;
}

std::variant<domain::ListDeadEvents, Refusal> parse_dead_events(std::string_view query,
                                                                const domain::Unicode& unicode) {
  Parameters parameters{query, unicode};
  domain::ListDeadEvents list;
  list.after = parameters.take("cursor", "must be a next_cursor of this endpoint", parse_event_id)
                   .value_or(0);
  list.limit =
      parameters.take("limit", "must be a whole number from 1 to 200", as_limit).value_or(50);
  if (auto refusal = parameters.refusal())
    return std::move(*refusal);
  return list;
}

std::string cursor_text(const domain::HistoryPosition& position) {
  return base64url_encode(position.created_at + " " + position.migration_id.text());
}

} // namespace regroup::http
