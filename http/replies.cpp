#include "http/replies.hpp"

#include "http/outcome_table.hpp"

#include <algorithm>
#include <utility>

namespace regroup::http {
namespace {

using domain::Refusal;
using domain::Refused;

bool is_visible_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

bool same_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    return lower(x) == lower(y);
  });
}

} // namespace

Reply refused(Refused reason) { return to_reply(Refusal{reason}); }

Reply refused(const Refusal& refusal, int timeout_retry_after) {
  return refusal.reason == Refused::timeout ? to_reply(refusal, timeout_retry_after)
                                            : to_reply(refusal);
}

Refusal invalid(std::string field, std::string message) {
  Refusal refusal{Refused::invalid_request};
  refusal.fields.push_back({std::move(field), std::move(message)});
  return refusal;
}

bool is_json(std::string_view content_type) {
  content_type = content_type.substr(0, content_type.find(';'));
  while (!content_type.empty() && (content_type.back() == ' ' || content_type.back() == '\t'))
    content_type.remove_suffix(1);
  return same_ignoring_case(content_type, "application/json");
}

bool wants_events(std::string_view accept) {
  while (!accept.empty()) {
    const auto comma = accept.find(',');
    std::string_view type = accept.substr(0, std::min(comma, accept.find(';')));
    accept = comma == std::string_view::npos ? std::string_view{} : accept.substr(comma + 1);
    while (!type.empty() && (type.front() == ' ' || type.front() == '\t'))
      type.remove_prefix(1);
    while (!type.empty() && (type.back() == ' ' || type.back() == '\t'))
      type.remove_suffix(1);
    if (same_ignoring_case(type, "text/event-stream"))
      return true;
  }
  return false;
}

std::string_view bearer(std::string_view authorization) {
  constexpr std::string_view kScheme = "Bearer ";
  if (authorization.size() <= kScheme.size() ||
      !same_ignoring_case(authorization.substr(0, kScheme.size()), kScheme))
    return {};
  return authorization.substr(kScheme.size());
}

std::variant<std::optional<std::string>, Refusal> idempotency_key(const Request& request) {
  constexpr std::size_t kLongest = 255;
  if (!request.has_idempotency_key)
    return std::nullopt;
  const std::string_view key = request.idempotency_key;
  if (key.empty() || key.size() > kLongest || !is_visible_ascii(key))
    return invalid("Idempotency-Key", "must have 1 to 255 visible ASCII characters");
  return std::optional{std::string{key}};
}

} // namespace regroup::http
