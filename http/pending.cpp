#include "http/pending.hpp"

#include "http/outcome_table.hpp"
#include "http/problem.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <exception>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

namespace regroup::http {

using domain::Refusal;
using domain::Refused;
using Clock = std::chrono::steady_clock;

/// Counts one owed answer in the Lifecycle, from the request's arrival until the answer was written
/// or the connection is gone.
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
  case 204:
    return "No Content";
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
  case 408:
    return "Request Timeout";
  case 409:
    return "Conflict";
  case 413:
    return "Content Too Large";
  case 414:
    return "URI Too Long";
  case 415:
    return "Unsupported Media Type";
  case 422:
    return "Unprocessable Content";
  case 429:
    return "Too Many Requests";
  case 431:
    return "Request Header Fields Too Large";
  case 500:
    return "Internal Server Error";
  case 501:
    return "Not Implemented";
  case 503:
    return "Service Unavailable";
  case 504:
    return "Gateway Timeout";
  case 505:
    return "HTTP Version Not Supported";
  default:
    return "";
  }
}

/// A chunked response with one event per chunk.
class ChunkedEvents final : public EventStream {
public:
  using Builder = restinio::response_builder_t<restinio::chunked_output_t>;

  ChunkedEvents(Builder builder, std::shared_ptr<Owed> owed, std::shared_ptr<Connection> connection)
      : builder_(std::move(builder)), owed_(std::move(owed)), connection_(std::move(connection)) {}
  ~ChunkedEvents() override {
    try {
      end();
    } catch (const std::exception&) { // no memory for the last bytes: the connection times out
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
    // A drain waits for clients that read, not for those that have stopped.
    if (*sending_ && Clock::now() - sent_ > kSlow)
      owed_.reset();
    builder_->done([owed = std::move(owed_), connection = connection_](
                       const restinio::asio_ns::error_code&) { connection->answered(); });
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
  std::shared_ptr<Connection> connection_;
  Clock::time_point sent_;
  // Shared with RESTinio's callbacks, which may outlive this object.
  std::shared_ptr<std::atomic<bool>> sending_ = std::make_shared<std::atomic<bool>>(false);
  std::shared_ptr<std::atomic<bool>> gone_ = std::make_shared<std::atomic<bool>>(false);
};

restinio::http_status_line_t status_line_of(const Reply& reply) {
  return {restinio::http_status_code_t{static_cast<std::uint16_t>(reply.status)},
          reason_of(reply.status)};
}

/// The current value of the field `Date` (RFC 9110, 5.6.7), formatted once a second per thread.
const std::string& date_now() {
  thread_local std::time_t written_for = 0;
  thread_local std::string text;
  if (const auto now = std::time(nullptr); std::exchange(written_for, now) != now)
    text = restinio::make_date_field_value(now);
  return text;
}

/// Formats an optional id for the log.
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

Pending::Pending(restinio::request_handle_t handle, std::shared_ptr<Connection> connection,
                 Lifecycle& lifecycle, domain::Log& log, domain::Metrics& metrics, const Cors& cors)
    : handle_(std::move(handle)), connection_(std::move(connection)), head_(connection_->head()),
      owed_(std::make_shared<Owed>(lifecycle)), log_(log), metrics_(metrics), cors_(cors) {}

Pending::~Pending() {
  if (answered_.load())
    return;
  // The request was dropped on its way: its outcome is not known.
  Refusal refusal{Refused::timeout};
  refusal.migration_id = request.facts.migration_id;
  answer(to_reply(refusal));
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

template <class Each> void Pending::for_each_field(const Reply& reply, Each each) const {
  each("X-Request-Id", request.request_id);
  each("Date", std::string{date_now()});
  if (reply.status != 204)
    each("Content-Type", reply.content_type);
  each("X-Content-Type-Options", "nosniff");
  each("Vary", "Accept"); // it selects an error's form, and a stream or a single report
  bool says_how_to_cache = false;
  for (const auto& [name, value] : reply.headers) {
    each(name.c_str(), value);
    says_how_to_cache = says_how_to_cache || name == "Cache-Control";
  }
  // An answer to a user or a key is for them alone.
  if (!says_how_to_cache)
    each("Cache-Control", "no-store");
}

/// Starts the response with status line and fields.
template <class Output> restinio::response_builder_t<Output> Pending::start(const Reply& reply) {
  auto response = handle_->create_response<Output>(status_line_of(reply));
  for_each_field(reply, [&response](const char* name, std::string value) {
    response.append_header(name, std::move(value));
  });
  if (reply.close)
    response.connection_close();
  return response;
}

restinio::write_status_cb_t Pending::written() {
  return [owed = std::move(owed_), connection = connection_](const restinio::asio_ns::error_code&) {
    connection->answered();
  };
}

/// Load balancers and Prometheus ask every second: they would be most of the log.
static bool is_good_probe(std::string_view route, int status) {
  return status == 200 && (route.starts_with("/api/health/") || route == "/metrics");
}

void Pending::send(Reply reply) {
  if (reply.stream && head_->is_http_1_0()) // HTTP/1.0 has no chunks (RFC 9112, 7.1)
    reply = to_reply(Refusal{Refused::version_not_supported});
  const std::chrono::duration<double, std::milli> took = Clock::now() - request.received;
  metrics_.request_answered(request.route, request.method, reply.status, took);
  const LoggedId user{request.facts.user_id};
  const LoggedId migration{request.facts.migration_id};
  const auto* group = request.facts.registration_group_id.get();
  log_.event(is_good_probe(request.route, reply.status) ? domain::LogLevel::debug
                                                        : domain::LogLevel::info,
             "request",
             {{"request_id", std::string_view{request.request_id}},
              {"trace_id", domain::if_any(request.trace_id)},
              {"method", request.method},
              {"route", request.route},
              {"user_id", user.value()},
              {"registration_group_id", domain::if_any(group ? *group : std::string_view{})},
              {"migration_id", migration.value()},
              {"status", std::int64_t{reply.status}},
              {"outcome", reply.outcome},
              {"reason", domain::if_any(reply.reason)},
              {"duration_ms", took.count()}});
  if (reply.status >= 400 && wants_problem((*head_)[Field::accept]))
    to_problem(reply, reason_of(reply.status));
  reply.close = reply.close || connection_->must_close();
  cors_.add_to(reply.headers, *head_);
  if (head_->method() == "HEAD" || reply.status == 204)
    return send_without_content(reply);
  if (reply.stream)
    return reply.stream(std::make_shared<ChunkedEvents>(start<restinio::chunked_output_t>(reply),
                                                        std::move(owed_), connection_));
  auto response = start<restinio::restinio_controlled_output_t>(reply);
  response.set_body(std::move(reply.body));
  response.done(written());
}

/// Answers HEAD, with the length that the content would have (RFC 9110, 9.3.2), and sends a 204,
/// which has no length (8.6). RESTinio's builders cannot: they state the length of what they send.
void Pending::send_without_content(const Reply& reply) {
  using Length = restinio::impl::content_length_field_presence_t;
  using Keeping = restinio::response_connection_attr_t;
  restinio::http_response_header_t header{status_line_of(reply)};
  const bool keeps = handle_->header().should_keep_alive() && !reply.close;
  header.should_keep_alive(keeps);
  for_each_field(reply, [&header](const char* name, std::string value) {
    header.add_field(name, std::move(value));
  });
  const bool has_length = reply.status != 204 && !reply.stream;
  header.content_length(reply.body.size());
  if (reply.stream)
    header.add_field("Transfer-Encoding", "chunked");
  restinio::writable_items_container_t items;
  items.emplace_back(restinio::impl::create_header_string(
      header, has_length ? Length::add_content_length : Length::skip_content_length));
  restinio::write_group_t group{std::move(items)};
  group.after_write_notificator(written());
  restinio::impl::access_req_connection(*handle_)->write_response_parts(
      handle_->request_id(),
      {restinio::response_parts_attr_t::final_parts,
       keeps ? Keeping::connection_keepalive : Keeping::connection_close},
      std::move(group));
}

} // namespace regroup::http
