#include "http/server/head.hpp"

#include "http/server/field_text.hpp"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>
#include <limits>
#include <utility>

namespace regroup::http {
namespace {

using domain::Refused;

/// Bits of a byte's entry in kBytes.
constexpr unsigned kToken = 1, kValue = 2, kTarget = 4, kHost = 8;

constexpr bool is_alphanumeric(unsigned byte) {
  return (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
         (byte >= 'a' && byte <= 'z');
}

constexpr std::array<unsigned char, 256> kBytes = [] {
  std::array<unsigned char, 256> table{};
  const auto is_one_of = [](unsigned byte, std::string_view set) {
    return set.find(static_cast<char>(byte)) != std::string_view::npos;
  };
  for (unsigned byte = 0; byte < table.size(); ++byte) {
    const bool word = is_alphanumeric(byte);
    unsigned is = 0;
    if (word || (byte != 0 && is_one_of(byte, "!#$%&'*+-.^_`|~")))
      is |= kToken;
    if (byte == '\t' || (byte >= 0x20 && byte != 0x7f))
      is |= kValue;
    // Also what browsers send beyond RFC 3986. A fragment is never sent.
    if (byte > 0x20 && byte < 0x7f && byte != '#')
      is |= kTarget;
    if (word || (byte != 0 && is_one_of(byte, "-._~%!$&'()*+,;=")))
      is |= kHost;
    table[byte] = static_cast<unsigned char>(is);
  }
  return table;
}();

bool is_a(char byte, unsigned kind) {
  return (kBytes[static_cast<unsigned char>(byte)] & kind) != 0;
}

bool are_all(std::string_view text, unsigned kind) {
  return std::all_of(text.begin(), text.end(), [kind](char each) { return is_a(each, kind); });
}

/// Whether all bytes are allowed in a field value. Checks eight bytes at a time, since a token has
/// hundreds.
bool is_value(std::string_view text) {
  constexpr auto kEach = ~std::uint64_t{0} / 0xff;
  constexpr auto kHighBits = kEach * 0x80;
  for (; text.size() >= sizeof(std::uint64_t); text.remove_prefix(sizeof(std::uint64_t))) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data(), sizeof word);
    const auto others = word ^ (kEach * 0x7f);
    const auto below_space = (word - kEach * 0x20) & ~word & kHighBits;
    const auto is_delete = (others - kEach) & ~others & kHighBits;
    if ((below_space | is_delete) != 0 && !are_all(text.substr(0, sizeof word), kValue))
      return false;
  }
  return are_all(text, kValue);
}

bool are_digits(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char each) { return each >= '0' && each <= '9'; });
}

/// Methods that a route could handle: RFC 9110, 9.3, and PATCH. CONNECT is only for proxies.
constexpr std::array<std::string_view, 8> kMethods{"GET",    "HEAD",    "POST",  "PUT",
                                                   "DELETE", "OPTIONS", "PATCH", "TRACE"};

struct KnownField {
  std::string_view name; // in lower case
  bool is_list;
};
constexpr std::array<KnownField, kFieldCount> kFields{{
    {"host", false},
    {"connection", true},
    {"content-length", false},
    {"transfer-encoding", true},
    {"content-type", false},
    {"content-encoding", true},
    {"expect", true},
    {"authorization", false},
    {"x-api-key", false},
    {"accept", true},
    {"idempotency-key", false},
    {"x-device-id", false},
    {"x-request-id", false},
    {"traceparent", false},
    {"origin", false},
    {"access-control-request-method", false},
}};

/// For each name length, a bit mask of the fields whose names have that length.
constexpr std::array<std::uint32_t, 32> kByLength = [] {
  static_assert(kFieldCount <= 32);
  std::array<std::uint32_t, 32> table{};
  for (std::size_t each = 0; each < kFieldCount; ++each)
    table.at(kFields[each].name.size()) |= std::uint32_t{1} << each;
  return table;
}();

/// uri-host [":" port], as in RFC 3986, 3.2.2. An empty host is valid (RFC 9110, 7.2).
bool is_host(std::string_view text) {
  std::size_t end = 0;
  if (text.starts_with('[')) {
    const auto close = text.find(']');
    if (close == std::string_view::npos || close == 1)
      return false;
    const auto inside = text.substr(1, close - 1);
    if (!std::all_of(inside.begin(), inside.end(),
                     [](char each) { return each == ':' || is_a(each, kHost); }))
      return false;
    end = close + 1;
  } else {
    end = std::min(text.find(':'), text.size());
    if (!are_all(text.substr(0, end), kHost))
      return false;
  }
  return end == text.size() || (text[end] == ':' && are_digits(text.substr(end + 1)));
}

} // namespace

bool is_token_byte(char byte) { return is_a(byte, kToken); }
bool is_value_byte(char byte) { return is_a(byte, kValue); }

Head::Head(std::string_view bytes) : bytes_(bytes) {
  read();
  if (!refused_)
    check_fields();
}

Head::Head(Refused why, std::size_t limit, std::string_view begins)
    : bytes_(begins.substr(0, begins.rfind('\n') + 1)) {
  refuse(why, limit);
  if (begins.starts_with("HEAD "))
    method_ = "HEAD";
  read();
}

/// Reads on after a fault, so that the refusal can have the form that the client asks for.
void Head::read() {
  std::string_view rest = bytes_;
  const auto line = [&rest] {
    const auto end = std::min(rest.find('\n'), rest.size());
    auto text = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (text.ends_with('\r'))
      text.remove_suffix(1);
    return text;
  };
  read_request_line(line());
  std::size_t count = 0;
  for (auto field = line(); !field.empty(); field = line()) {
    if (++count > kMaxFields) {
      refuse(Refused::header_too_large, kMaxFields);
      return;
    }
    read_field(field);
  }
}

bool Head::refuse(Refused why, std::size_t limit) {
  if (refused_) // the first fault counts
    return false;
  refused_ = why;
  limit_ = static_cast<std::int64_t>(limit);
  keep_alive_ = false;
  return false;
}

bool Head::read_request_line(std::string_view line) {
  const auto method_end = line.find(' ');
  const auto version_at = line.rfind(' ');
  if (method_end == std::string_view::npos || method_end == version_at)
    return refuse(Refused::malformed);
  const auto method = line.substr(0, method_end);
  const auto target = line.substr(method_end + 1, version_at - method_end - 1);
  const auto version = line.substr(version_at + 1);
  const auto* const known = std::find(kMethods.begin(), kMethods.end(), method);
  if (known != kMethods.end())
    method_ = *known; // also if the head is refused: the answer to HEAD has no content
  if (method.empty() || !are_all(method, kToken) || target.empty() || !are_all(target, kTarget))
    return refuse(Refused::malformed);
  if (version != "HTTP/1.1" && version != "HTTP/1.0") {
    const bool is_version = version.size() == 8 && version.starts_with("HTTP/") &&
                            are_digits(version.substr(5, 1)) && version[6] == '.' &&
                            are_digits(version.substr(7));
    return refuse(is_version ? Refused::version_not_supported : Refused::malformed);
  }
  http_1_0_ = version.back() == '0';
  if (known == kMethods.end())
    return refuse(Refused::not_implemented);
  if (target.size() > kMaxTargetBytes)
    return refuse(Refused::uri_too_long, kMaxTargetBytes);
  return read_target(target) || refuse(Refused::malformed);
}

/// RFC 9112, 3.2.
bool Head::read_target(std::string_view target) {
  if (target == "*") {
    path_ = target;
    return method_ == "OPTIONS";
  }
  if (!target.starts_with('/')) {
    for (const std::string_view scheme : {"http://", "https://"})
      if (same_ignoring_case(target.substr(0, scheme.size()), scheme))
        return read_absolute(target.substr(scheme.size()));
    return false;
  }
  path_ = target.substr(0, target.find('?'));
  if (path_.size() < target.size())
    query_ = target.substr(path_.size() + 1);
  return true;
}

/// Reads what follows the scheme. The host does not matter: the service has one set of routes.
bool Head::read_absolute(std::string_view rest) {
  const auto host = rest.substr(0, rest.find_first_of("/?"));
  if (host.empty() || host.front() == ':' || !is_host(host))
    return false;
  rest.remove_prefix(host.size());
  if (rest.starts_with('/'))
    return read_target(rest);
  path_ = method_ == "OPTIONS" && rest.empty() ? "*" : "/";
  if (!rest.empty())
    query_ = rest.substr(1);
  return true;
}

bool Head::read_field(std::string_view line) {
  const auto colon = line.find(':');
  const auto name = line.substr(0, colon);
  // No white space before the colon, and no line folding (RFC 9112, 5.1 and 5.2).
  if (colon == std::string_view::npos || name.empty() || !are_all(name, kToken))
    return refuse(Refused::malformed);
  const auto value = trimmed(line.substr(colon + 1));
  if (!is_value(value))
    return refuse(Refused::malformed);
  if (name.size() > kMaxFieldNameBytes)
    return refuse(Refused::header_too_large, kMaxFieldNameBytes);
  if (value.size() > kMaxFieldValueBytes)
    return refuse(Refused::header_too_large, kMaxFieldValueBytes);
  for (auto of_length = name.size() < kByLength.size() ? kByLength[name.size()] : 0U;
       of_length != 0; of_length &= of_length - 1) {
    const auto each = static_cast<std::size_t>(std::countr_zero(of_length));
    if (same_ignoring_case(name, kFields[each].name))
      return keep(static_cast<Field>(each), kFields[each].is_list, value);
  }
  return true;
}

bool Head::keep(Field field, bool is_list, std::string_view value) {
  auto& kept = values_[index(field)];
  if (!std::exchange(present_[index(field)], true)) {
    kept = value;
    return true;
  }
  if (!is_list)
    return refuse(Refused::malformed);
  auto joined = std::find_if(joined_.begin(), joined_.end(), [&kept](const std::string& each) {
    return each.data() == kept.data();
  });
  if (joined == joined_.end()) {
    joined_.emplace_front(kept);
    joined = joined_.begin();
  }
  joined->append(", ").append(value);
  kept = *joined;
  return true;
}

bool Head::check_fields() {
  if (!has(Field::host) ? !http_1_0_ : !is_host((*this)[Field::host]))
    return refuse(Refused::malformed);
  if (!check_framing())
    return false;
  keep_alive_ = !http_1_0_;
  for_each_in_list((*this)[Field::connection], [this](std::string_view option) {
    if (http_1_0_ && same_ignoring_case(option, "keep-alive"))
      keep_alive_ = true;
  });
  for_each_in_list((*this)[Field::connection], [this](std::string_view option) {
    if (same_ignoring_case(option, "close"))
      keep_alive_ = false;
  });
  // RFC 9110, 10.1.1: ignored in HTTP/1.0 and without a body. Other expectations may be ignored.
  if (!http_1_0_ && (framing_ == Framing::chunked || content_length_ > 0))
    for_each_in_list((*this)[Field::expect], [this](std::string_view expectation) {
      if (same_ignoring_case(expectation, "100-continue"))
        expects_continue_ = true;
    });
  return true;
}

/// RFC 9112, 6.
bool Head::check_framing() {
  const auto length = (*this)[Field::content_length];
  if (has(Field::transfer_encoding))
    return has(Field::content_length) || http_1_0_ ? refuse(Refused::malformed) : check_coding();
  if (!has(Field::content_length))
    return true;
  if (length.empty() || !are_digits(length))
    return refuse(Refused::malformed);
  framing_ = Framing::length;
  const auto read = std::from_chars(length.data(), length.data() + length.size(), content_length_);
  if (read.ec == std::errc::result_out_of_range) // too large for any limit
    content_length_ = std::numeric_limits<std::uint64_t>::max();
  return true;
}

/// RFC 9112, 6.1 and 6.3: `chunked` must come once and last. In any other order the end of the body
/// is uncertain. Other codings are not supported.
bool Head::check_coding() {
  bool is_last_chunked = false;
  bool has_others = false;
  bool is_in_order = true;
  for_each_in_list((*this)[Field::transfer_encoding], [&](std::string_view coding) {
    is_in_order = is_in_order && !is_last_chunked && are_all(coding, kToken);
    is_last_chunked = same_ignoring_case(coding, "chunked");
    has_others = has_others || !is_last_chunked;
  });
  if (!is_in_order || !is_last_chunked)
    return refuse(Refused::malformed);
  if (has_others)
    return refuse(Refused::not_implemented);
  framing_ = Framing::chunked;
  return true;
}

} // namespace regroup::http
