#pragma once
// Helpers that the handlers share: from a job's answer to the reply, and refusals without a job.
#include "domain/outcome.hpp"
#include "http/json.hpp"
#include "http/server/message.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace regroup::http {

// Retry-After of a 504, in seconds (contract, "Errors").
inline constexpr int kRetryReadAfter = 5;
inline constexpr int kRetryWriteAfter = 30;

Reply refused(domain::Refused reason);

/// `invalid_request` if the request has a parameter after '?' and its handler reads none.
std::optional<domain::Refusal> unknown_parameters(const Request& request);

/// The reply to a refused job. `timeout_retry_after`, in seconds, is for a 504: a job other than a
/// migration has its own.
Reply refused(const domain::Refusal& refusal, int timeout_retry_after);

/// Makes an `invalid_request` for one field, parameter or header.
domain::Refusal invalid(std::string field, std::string message);

/// Whether the type is `application/json`, with or without parameters. The type is not
/// case-sensitive (RFC 9110, 8.3.1).
bool is_json(std::string_view content_type);

/// Whether an `Accept` field names Server-Sent Events (`text/event-stream`).
bool wants_events(std::string_view accept);

/// The token after `Bearer ` (RFC 6750, 2.1), or an empty text.
std::string_view bearer(std::string_view authorization);

/// The Idempotency-Key; nothing if the header is absent; a refusal if it is invalid.
std::variant<std::optional<std::string>, domain::Refusal> idempotency_key(const Request& request);

template <class T> Reply ok(const T& what) { return {200, to_json(what)}; }

/// Answers a question: `success` makes the reply from a `T`; anything else is refused.
template <class T, class Success = Reply (*)(const T&)>
auto answer_with(const Respond& respond, int timeout_retry_after, Success success = ok<T>) {
  return [respond, timeout_retry_after, success](const domain::Result<T>& result) {
    respond(result.value() ? success(*result.value())
                           : refused(result.refusal(), timeout_retry_after));
  };
}

} // namespace regroup::http
