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

/// What a query string asks of the history, or every parameter that is wrong: unknown, there twice,
/// or not what it must be.
std::variant<domain::ReadHistory, domain::Refusal> parse_history(std::string_view query,
                                                                 const domain::Unicode& unicode);

/// The same for the analytics. The last 30 days up to `now`, day by day, unless it says otherwise.
std::variant<domain::ReadAnalytics, domain::Refusal>
parse_analytics(std::string_view query, const domain::Unicode& unicode,
                std::chrono::system_clock::time_point now);

/// RFC 3339; a day alone is its beginning in UTC.
std::optional<std::chrono::sys_time<std::chrono::microseconds>> parse_time(std::string_view text);
std::string time_text(std::chrono::sys_time<std::chrono::microseconds> at);
/// A page of the events that were given up, without its webhook.
std::variant<domain::ListDeadEvents, domain::Refusal>
parse_dead_events(std::string_view query, const domain::Unicode& unicode);

/// "evt_42", as events are named to everybody.
std::optional<std::int64_t> parse_event_id(std::string_view text);

/// A place in the history as a caller gets it and gives it back: opaque, fit for a query string.
std::string cursor_text(const domain::HistoryPosition& position);

} // namespace regroup::http
