#pragma once
// Helpers to parse field values (RFC 9110, 5.6).
#include <algorithm>
#include <cstddef>
#include <string_view>

namespace regroup::http {

/// The text without leading and trailing spaces and tabs.
inline std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
    text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t'))
    text.remove_suffix(1);
  return text;
}

inline char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

inline bool same_ignoring_case(std::string_view left, std::string_view right) {
  if (left.size() != right.size())
    return false;
  for (std::size_t at = 0; at < left.size(); ++at)
    if (lower(left[at]) != lower(right[at]))
      return false;
  return true;
}

/// Takes the text up to the separator off the front of `rest`, and returns it trimmed.
inline std::string_view next_part(std::string_view& rest, char separator) {
  const auto end = std::min(rest.find(separator), rest.size());
  const auto part = trimmed(rest.substr(0, end));
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return part;
}

/// Calls `each` for every element of a list; skips empty elements (RFC 9110, 5.6.1).
template <class Each> void for_each_in_list(std::string_view list, Each each) {
  while (!list.empty())
    if (const auto element = next_part(list, ','); !element.empty())
      each(element);
}

} // namespace regroup::http
