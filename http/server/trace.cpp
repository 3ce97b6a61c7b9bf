#include "http/server/trace.hpp"

#include <algorithm>
#include <cstddef>

namespace regroup::http {
namespace {

// 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
constexpr std::size_t kVersion = 2;
constexpr std::size_t kTraceId = 32;
constexpr std::size_t kParentId = 16;
constexpr std::size_t kFlags = 2;
constexpr std::size_t kTraceAt = kVersion + 1;
constexpr std::size_t kParentAt = kTraceAt + kTraceId + 1;
constexpr std::size_t kFlagsAt = kParentAt + kParentId + 1;
constexpr std::size_t kLength = kFlagsAt + kFlags;

bool is_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool is_zero(std::string_view text) { return text.find_first_not_of('0') == text.npos; }

} // namespace

std::string_view trace_id_of(std::string_view traceparent) {
  if (traceparent.size() < kLength)
    return {};
  const auto version = traceparent.substr(0, kVersion);
  const auto trace = traceparent.substr(kTraceAt, kTraceId);
  const auto parent = traceparent.substr(kParentAt, kParentId);
  const bool ends_well =
      traceparent.size() == kLength || (version != "00" && traceparent[kLength] == '-');
  const bool has_dashes = traceparent[kTraceAt - 1] == '-' && traceparent[kParentAt - 1] == '-' &&
                          traceparent[kFlagsAt - 1] == '-';
  const bool has_digits = is_hex(version) && is_hex(trace) && is_hex(parent) &&
                          is_hex(traceparent.substr(kFlagsAt, kFlags));
  if (!ends_well || !has_dashes || !has_digits || version == "ff" || is_zero(trace) ||
      is_zero(parent))
    return {};
  return trace;
}

} // namespace regroup::http
