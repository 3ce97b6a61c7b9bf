#include "http/replies.hpp"

#include "http/outcome_table.hpp"
#include "http/server/field_text.hpp"

#include <algorithm>
#include <utility>

namespace regroup::http {
namespace {

using domain::Refusal;
using domain::Refused;

bool is_visible_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
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

std::optional<Refusal> unknown_parameters(const Request& request) {
  constexpr std::size_t kShown = 100;
  Refusal refusal{Refused::invalid_request};
  std::string_view query = request.reads_query ? std::string_view{} : request.query;
  while (!query.empty()) {
    const std::string_view name = next_part(query, '&');
    if (!name.empty())
      refusal.fields.push_back(
          {std::string{name.substr(0, std::min(name.find('='), kShown))}, "is unknown"});
  }
  return refusal.fields.empty() ? std::nullopt : std::optional{refusal};
}

bool is_json(std::string_view content_type) {
  return same_ignoring_case(next_part(content_type, ';'), "application/json");
}

bool wants_events(std::string_view accept) {
  bool wants = false;
  for_each_in_list(accept, [&wants](std::string_view range) {
    wants = wants || same_ignoring_case(next_part(range, ';'), "text/event-stream");
  });
  return wants;
}

std::string_view bearer(std::string_view authorization) {
  const auto scheme = authorization.substr(0, authorization.find(' '));
  return same_ignoring_case(scheme, "Bearer") ? trimmed(authorization.substr(scheme.size()))
                                              : std::string_view{};
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
