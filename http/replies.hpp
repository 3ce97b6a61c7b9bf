#pragma once
// What the handlers share: from a job's answer to the reply, and refusals that need no job.
#include "domain/outcome.hpp"
#include "http/gateway.hpp"
#include "http/json.hpp"
#include "http/message.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace regroup::http {

// A 504 says when to try again (contract, "Errors").
inline constexpr int kRetryReadAfter = 5;
inline constexpr int kRetryWriteAfter = 30;

Reply refused(domain::Refused reason);

/// The reply to a refused job: a 504 of anything but a migration has its own Retry-After.
Reply refused(const domain::Refusal& refusal, int timeout_retry_after);

/// `invalid_request` for one field, parameter or header.
domain::Refusal invalid(std::string field, std::string message);

/// `application/json`, with parameters or without (RFC 9110, 8.3.1: the type's case is nothing).
bool is_json(std::string_view content_type);

/// Whether an `Accept` asks for Server-Sent Events by name.
bool wants_events(std::string_view accept);

/// What follows `Bearer ` (RFC 6750, 2.1), or nothing.
std::string_view bearer(std::string_view authorization);

/// The Idempotency-Key, nothing when there is none, or the refusal of one that is not fit.
std::variant<std::optional<std::string>, domain::Refusal> idempotency_key(const Request& request);

/// The reply of a job whose success is a `T`, made by `success`.
template <class T, class Success>
Gateway::Done answer_with(const Respond& respond, int timeout_retry_after, Success success) {
  return [respond, timeout_retry_after, success](const domain::Answer& answer) {
    if (const auto* done = std::get_if<T>(&answer))
      respond(success(*done));
    else if (const auto* refusal = std::get_if<domain::Refusal>(&answer))
      respond(refused(*refusal, timeout_retry_after));
    else
      respond(refused(domain::Refused::internal));
  };
}

template <class T> Reply ok(const T& what) { return {200, to_json(what)}; }

} // namespace regroup::http
