#include "http/admin/webhook_url.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <string>

namespace regroup::http {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_alphanumeric(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_ip(int family, std::string_view text) {
  std::array<unsigned char, sizeof(in6_addr)> bytes{};
  return inet_pton(family, std::string{text}.c_str(), bytes.data()) == 1;
}

/// RFC 1123, 2.1, and also `_`, which occurs in real names.
bool is_label(std::string_view label) {
  return !label.empty() && label.size() <= 63 && label.front() != '-' && label.back() != '-' &&
         std::all_of(label.begin(), label.end(),
                     [](char c) { return is_alphanumeric(c) || c == '-' || c == '_'; });
}

/// Accepts a name or an IPv4 address. Resolvers take a name whose last label is a number, such as
/// 127.1 or 0x7f000001, for an address, in ways that we do not guess: it must be a plain IPv4 one.
bool is_name(std::string_view name) {
  if (name.ends_with('.'))
    name.remove_suffix(1);
  if (name.empty() || name.size() > 253)
    return false;
  const std::string_view last = name.substr(name.rfind('.') + 1); // npos + 1 is 0
  if (!last.empty() && is_digit(last.front()) && last.find('-') == last.npos)
    return is_ip(AF_INET, name);
  for (;;) {
    const auto dot = name.find('.');
    if (!is_label(name.substr(0, dot)))
      return false;
    if (dot == name.npos)
      return true;
    name.remove_prefix(dot + 1);
  }
}

bool is_port(std::string_view text) {
  unsigned port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc{} && end == text.data() + text.size() && text.size() <= 5 &&
         port >= 1 && port <= 65535;
}

/// Refuses userinfo, since no name contains `@`.
bool is_authority(std::string_view authority) {
  std::string_view host;
  if (authority.starts_with('[')) {
    const auto end = authority.find(']');
    if (end == authority.npos || !is_ip(AF_INET6, authority.substr(1, end - 1)))
      return false;
    authority.remove_prefix(end + 1);
  } else {
    host = authority.substr(0, authority.find(':'));
    if (!is_name(host))
      return false;
    authority.remove_prefix(host.size());
  }
  return authority.empty() || (authority.front() == ':' && is_port(authority.substr(1)));
}

/// Accepts unreserved characters, delimiters, and escapes, except of control characters: a receiver
/// might end a line or a text at one.
bool is_path_and_query(std::string_view text) {
  constexpr std::string_view kMarks = "-._~!$&'()*+,;=:@/?";
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      unsigned byte = 0;
      if (i + 2 >= text.size())
        return false;
      const char* digits = text.data() + i + 1;
      if (std::from_chars(digits, digits + 2, byte, 16).ptr != digits + 2 || byte < 0x20 ||
          byte == 0x7f)
        return false;
      i += 2;
    } else if (!is_alphanumeric(text[i]) && kMarks.find(text[i]) == kMarks.npos) {
      return false;
    }
  }
  return true;
}

} // namespace

bool is_webhook_url(std::string_view url, bool allow_http) {
  const std::string_view scheme = url.starts_with("https://")                ? "https://"
                                  : allow_http && url.starts_with("http://") ? "http://"
                                                                             : "";
  if (scheme.empty())
    return false;
  url.remove_prefix(scheme.size());
  const auto end = std::min(url.find_first_of("/?"), url.size());
  return is_authority(url.substr(0, end)) && is_path_and_query(url.substr(end));
}

} // namespace regroup::http
