#pragma once
#include "domain/outcome.hpp"
#include "domain/uuid.hpp"
#include "http/server/event_stream.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace regroup::http {

/// What the handler has learnt about a request by the time it answers, for the request's log line.
struct RequestFacts {
  std::optional<domain::Uuid> user_id;
  std::shared_ptr<const std::string> registration_group_id;
  std::optional<domain::Uuid> migration_id;
};

/// A request's body, or why there is none. Valid until the function that receives it returns.
using Body = std::variant<std::string_view, domain::Refused>;
using ReadBody = std::function<void(std::function<void(const Body&)>)>;

/// A request as the handlers see it. It and its views stay valid for as long as its Respond lives.
struct Request {
  std::string_view method; // "POST"
  std::string_view route;  // "/api/v1/groups/{id}/devices": for logs, never the raw path
  std::string_view query;  // what follows '?', not decoded
  bool reads_query = true; // the handler does; the server says which do not: these refuse any
  std::string_view authorization;
  std::string_view api_key;
  std::string_view content_type;
  std::string_view accept;
  std::string_view idempotency_key;
  bool has_idempotency_key = false;
  std::string_view device_id; // X-Device-Id
  std::string_view trace_id;  // from a valid traceparent; else empty
  std::string request_id;     // the caller's X-Request-Id if it is valid, else a new one
  bool has_body = false;
  std::uint64_t content_length = 0; // 0 without Content-Length
  std::string_view content_encoding;
  ReadBody read_body;                  // call once at most, from any thread
  std::vector<std::string> parameters; // of the path, not decoded, from left to right
  std::chrono::steady_clock::time_point received;
  mutable RequestFacts facts; // the handlers fill these in, and change nothing else
};

struct Reply {
  int status = 200;
  std::string body{}; // JSON, unless content_type says otherwise
  std::vector<std::pair<std::string, std::string>> headers{};
  const char* content_type = "application/json";
  bool close = false; // close the connection after this answer
  /// Replaces the body if set: called with the stream of events, before Respond returns.
  std::function<void(std::shared_ptr<EventStream>)> stream{};
  /// For the log: an error's code, or another text with static lifetime.
  std::string_view outcome = "completed";
  /// For the log as well: why a 401, with static lifetime.
  std::string_view reason{};
};

/// Sends the answer. Call it exactly once, from any thread.
using Respond = std::function<void(Reply)>;

} // namespace regroup::http
