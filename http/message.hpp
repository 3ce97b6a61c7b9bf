#pragma once
#include "domain/outcome.hpp"
#include "domain/uuid.hpp"
#include "http/event_stream.hpp"

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

/// What a request was about, for its line in the log: what its handler has learnt by the time that
/// it answers.
struct RequestFacts {
  std::optional<domain::Uuid> user_id;
  std::shared_ptr<const std::string> registration_group_id;
  std::optional<domain::Uuid> migration_id;
};

/// A request's body, or why there is none. It is there until the function that gets it returns.
using Body = std::variant<std::string_view, domain::Refused>;
using ReadBody = std::function<void(std::function<void(const Body&)>)>;

/// A request as the handlers see it. It stays valid, and so do its views, for as long as its
/// Respond lives.
struct Request {
  std::string_view method; // "POST"
  std::string_view route;  // "/api/v1/groups/{id}/devices": for logs, never the raw path
  std::string_view query;  // what follows '?', as it came
  std::string_view authorization;
  std::string_view api_key;
  std::string_view content_type;
  std::string_view accept;
  std::string_view idempotency_key;
  bool has_idempotency_key = false;
  std::string_view device_id; // X-Device-Id
  std::string_view trace_id;  // of a traceparent; else empty
  std::string request_id;     // X-Request-Id: the caller's own where it is fit, else a new one
  bool has_body = false;
  std::uint64_t content_length = 0; // of a body that says it
  std::string_view content_encoding;
  ReadBody read_body;                  // once, from any thread
  std::vector<std::string> parameters; // of the path, as they came, from left to right
  std::chrono::steady_clock::time_point received;
  mutable RequestFacts facts; // filled in by handlers, who change nothing else
};

struct Reply {
  int status = 200;
  std::string body{}; // JSON, unless content_type says otherwise
  std::vector<std::pair<std::string, std::string>> headers{};
  const char* content_type = "application/json";
  bool close = false; // the connection, after this answer
  /// In place of a body: called once the head is on its way, before the answer is sent.
  std::function<void(std::shared_ptr<EventStream>)> stream{};
  /// For the log: a text that is there for ever. The code of an error.
  std::string_view outcome = "completed";
};

/// Sends the answer; to be called exactly once, from any thread.
using Respond = std::function<void(Reply)>;

} // namespace regroup::http
