#include "config/masked_url.hpp"

#include <algorithm>
#include <initializer_list>

namespace regroup::config {
namespace {

constexpr std::size_t kNowhere = std::string_view::npos;

bool is_plain(std::string_view name) {
  return std::all_of(name.begin(), name.end(),
                     [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; });
}

bool names_a_secret(std::string_view name) {
  return name.find("password") != kNowhere || !is_plain(name); // libpq also reads `pass%77ord`
}

std::string masked_uri(std::string uri, std::size_t authority) {
  // Masks up to the last @, not libpq's first: an unescaped password may contain some.
  const std::size_t colon = uri.find(':', authority);
  const std::size_t at = uri.rfind('@');
  if (at != kNowhere && colon < at)
    uri.replace(colon + 1, at - colon - 1, kMask);
  std::size_t name = uri.find('?', authority);
  while (name != kNowhere) {
    ++name;
    const std::size_t end = std::min(uri.find('&', name), uri.size());
    const std::size_t equals = std::min(uri.find('=', name), end);
    if (equals < end && names_a_secret(std::string_view{uri}.substr(name, equals - name)))
      uri.replace(equals + 1, end - equals - 1, kMask);
    name = uri.find('&', name);
  }
  return uri;
}

/// Where the value that begins at `at` ends (libpq, "Keyword/Value Connection Strings").
std::size_t end_of_value(std::string_view text, std::size_t at) {
  const bool quoted = at < text.size() && text[at] == '\'';
  for (at += quoted ? 1 : 0; at < text.size(); ++at) {
    if (text[at] == '\\')
      ++at;
    else if (text[at] == (quoted ? '\'' : ' '))
      return at + (quoted ? 1 : 0);
  }
  return text.size();
}

std::string masked_pairs(std::string_view text) {
  std::string masked;
  std::size_t at = 0;
  while ((at = text.find_first_not_of(' ', at)) != kNowhere) {
    masked += masked.empty() ? "" : " ";
    const std::size_t name_end = std::min(text.find_first_of(" =", at), text.size());
    const std::string_view name = text.substr(at, name_end - at);
    const std::size_t equals = text.find_first_not_of(' ', name_end);
    if (!is_plain(name) || equals == kNowhere || text[equals] != '=')
      return masked.append(kMask); // not pairs: the password could be any part
    const std::size_t value = std::min(text.find_first_not_of(' ', equals + 1), text.size());
    at = end_of_value(text, value);
    masked.append(name).append("=");
    masked.append(names_a_secret(name) ? kMask : text.substr(value, at - value));
  }
  return masked;
}

} // namespace

std::string masked_url(const std::string& url) {
  for (const std::string_view scheme : {"postgresql://", "postgres://"})
    if (url.starts_with(scheme))
      return masked_uri(url, scheme.size());
  return masked_pairs(url);
}

} // namespace regroup::config
