#pragma once
#include "domain/admin.hpp"
#include "domain/outcome.hpp"
#include "domain/unicode.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace regroup::http {

/// Parses the query string of the history. The refusal lists every parameter that is unknown,
/// given twice, or invalid.
std::variant<domain::ReadHistory, domain::Refusal> parse_history(std::string_view query,
                                                                 const domain::Unicode& unicode);

/// The same for the analytics. Defaults to the last 30 days up to `now`, day by day.
std::variant<domain::ReadAnalytics, domain::Refusal>
parse_analytics(std::string_view query, const domain::Unicode& unicode,
                std::chrono::system_clock::time_point now);

/// RFC 3339. A date without a time means the start of that day in UTC.
std::optional<std::chrono::sys_time<std::chrono::microseconds>> parse_time(std::string_view text);
std::string time_text(std::chrono::sys_time<std::chrono::microseconds> at);
/// A page of the events that were given up. The caller fills in the webhook's id.
std::variant<domain::ListDeadEvents, domain::Refusal>
parse_dead_events(std::string_view query, const domain::Unicode& unicode);

/// Parses an event's public id, such as "evt_42".
std::optional<std::int64_t> parse_event_id(std::string_view text);

/// The cursor for a position in the history: opaque to the caller, safe in a query string.
std::string cursor_text(const domain::HistoryPosition& position);

} // namespace regroup::http
