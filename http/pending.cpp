#include "http/pending.hpp"

#include "http/outcome_table.hpp"
#include "http/problem.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <exception>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

namespace regroup::http {

using domain::Refusal;
using domain::Refused;
using Clock = std::chrono::steady_clock;

/// One answer that is owed, from the request's arrival until it was written or the connection is
/// gone.
class Owed {
public:
  explicit Owed(Lifecycle& lifecycle) : lifecycle_(lifecycle) { lifecycle_.accepted(); }
  ~Owed() { lifecycle_.answered(); }
  Owed(const Owed&) = delete;
  Owed& operator=(const Owed&) = delete;

private:
  Lifecycle& lifecycle_;
};

namespace {

const char* reason_of(int status) {
  switch (status) {
  case 200:
    return "OK";
  case 201:
    return "Created";
  case 202:
    return "Accepted";
  case 400:
    return "Bad Request";
  case 401:
    return "Unauthorized";
  case 403:
    return "Forbidden";
  case 404:
    return "Not Found";
  case 405:
    return "Method Not Allowed";
  case 409:
    return "Conflict";
  case 413:
    return "Content Too Large";
  case 415:
    return "Unsupported Media Type";
  case 422:
    return "Unprocessable Content";
  case 429:
    return "Too Many Requests";
  case 500:
    return "Internal Server Error";
  case 503:
    return "Service Unavailable";
  case 504:
    return "Gateway Timeout";
  default:
    return "";
  }
}

/// A response in chunks, an event in each.
class ChunkedEvents final : public EventStream {
public:
  using Builder = restinio::response_builder_t<restinio::chunked_output_t>;

  ChunkedEvents(Builder builder, std::shared_ptr<Owed> owed)
      : builder_(std::move(builder)), owed_(std::move(owed)) {}
  ~ChunkedEvents() override {
    try {
      end();
    } catch (const std::exception&) { // no memory for its last bytes: the connection times out
      return;
    }
  }

  bool send(std::string event) override {
    const std::scoped_lock lock{mutex_};
    if (!builder_ || *gone_ || sending_->exchange(true))
      return false;
    sent_ = Clock::now();
    builder_->append_chunk(std::move(event));
    builder_->flush([sending = sending_, gone = gone_](const restinio::asio_ns::error_code& error) {
      if (error)
        *gone = true;
      *sending = false;
    });
    return true;
  }

  void end() override {
    const std::scoped_lock lock{mutex_};
    if (!builder_)
      return;
    // A drain waits for who reads, not for who has stopped.
    if (*sending_ && Clock::now() - sent_ > kSlow)
      owed_.reset();
    builder_->done([owed = std::move(owed_)](const restinio::asio_ns::error_code&) {});
    builder_.reset();
  }

  bool is_open() const override {
    const std::scoped_lock lock{mutex_};
    return builder_ && !*gone_;
  }

private:
  static constexpr std::chrono::seconds kSlow{1};

  mutable std::mutex mutex_;
  std::optional<Builder> builder_;
  std::shared_ptr<Owed> owed_;
  Clock::time_point sent_;
  // What RESTinio calls back may outlive this object.
  std::shared_ptr<std::atomic<bool>> sending_ = std::make_shared<std::atomic<bool>>(false);
  std::shared_ptr<std::atomic<bool>> gone_ = std::make_shared<std::atomic<bool>>(false);
};

/// An id, where there is one, as the log takes it.
class LoggedId {
public:
  explicit LoggedId(const std::optional<domain::Uuid>& id) : is_there_(id.has_value()) {
    if (id)
      text_ = id->characters();
  }
  domain::LogValue value() const {
    return domain::if_any({text_.data(), is_there_ ? text_.size() : 0});
  }

private:
  bool is_there_;
  std::array<char, 36> text_{};
};

} // namespace

std::string_view header_of(const restinio::request_t& request, const char* name) {
  const auto value = request.header().opt_value_of(name);
  return value ? std::string_view{value->data(), value->size()} : std::string_view{};
}

Pending::Pending(restinio::request_handle_t handle, Lifecycle& lifecycle, domain::Log& log,
                 domain::Metrics& metrics)
    : handle_(std::move(handle)), owed_(std::make_shared<Owed>(lifecycle)), log_(log),
      metrics_(metrics) {}

Pending::~Pending() {
  if (!answered_.load())
    answer(to_reply(Refusal{Refused::internal}));
}

void Pending::answer(Reply reply) noexcept {
  if (answered_.exchange(true))
    return;
  try {
    send(std::move(reply));
  } catch (const std::exception& why) {
    log_.event(domain::LogLevel::error, "http.answer_failed",
               {{"request_id", std::string_view{request.request_id}},
                {"error", std::string_view{why.what()}}});
  }
}

/// The head.
template <class Output> restinio::response_builder_t<Output> Pending::start(const Reply& reply) {
  auto response = handle_->create_response<Output>(restinio::http_status_line_t{
      restinio::http_status_code_t{static_cast<std::uint16_t>(reply.status)},
      reason_of(reply.status)});
  response.append_header("X-Request-Id", request.request_id);
  response.append_header(restinio::http_field::content_type, reply.content_type);
  response.append_header("X-Content-Type-Options", "nosniff");
  response.append_header("Vary", "Accept"); // an error's form, and a stream or its first state
  bool says_how_to_cache = false;
  for (const auto& [name, value] : reply.headers) {
    response.append_header(name, value);
    says_how_to_cache = says_how_to_cache || name == "Cache-Control";
  }
  // What a user or a key is answered is for them alone.
  if (!says_how_to_cache)
    response.append_header("Cache-Control", "no-store");
  if (reply.close)
    response.connection_close();
  return response;
}

void Pending::send(Reply reply) {
  const std::chrono::duration<double, std::milli> took = Clock::now() - request.received;
  metrics_.request_answered(request.route, request.method, reply.status, took);
  const LoggedId user{request.facts.user_id};
  const LoggedId migration{request.facts.migration_id};
  const auto* group = request.facts.registration_group_id.get();
  log_.event(domain::LogLevel::info, "request",
             {{"request_id", std::string_view{request.request_id}},
              {"trace_id", domain::if_any(request.trace_id)},
              {"method", request.method},
              {"route", request.route},
              {"user_id", user.value()},
              {"registration_group_id", domain::if_any(group ? *group : std::string_view{})},
              {"migration_id", migration.value()},
              {"status", std::int64_t{reply.status}},
              {"outcome", reply.outcome},
              {"duration_ms", took.count()}});
  if (reply.status >= 400 && wants_problem(header_of(*handle_, "Accept")))
    to_problem(reply, reason_of(reply.status));
  if (reply.stream)
    return reply.stream(std::make_shared<ChunkedEvents>(start<restinio::chunked_output_t>(reply),
                                                        std::move(owed_)));
  auto response = start<restinio::restinio_controlled_output_t>(reply);
  // RFC 9110, 9.3.2: to HEAD a body would be taken for the start of the next answer.
  if (handle_->header().method() != restinio::http_method_head())
    response.set_body(std::move(reply.body));
  response.done([owed = std::move(owed_)](const restinio::asio_ns::error_code&) {});
}

} // namespace regroup::http
