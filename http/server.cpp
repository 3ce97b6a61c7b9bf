#include "http/server.hpp"

#include "http/acceptor.hpp"
#include "http/io_context.hpp"
#include "http/open_connections.hpp"
#include "http/outcome_table.hpp"
#include "http/pending.hpp"
#include "http/trace.hpp"

#include <restinio/all.hpp>
#define PCRE2_CODE_UNIT_WIDTH 8
#include <restinio/router/pcre2_regex_engine.hpp>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <future>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <stdexcept>
#include <utility>

namespace regroup::http {
namespace {

using domain::Refusal;
using domain::Refused;
using Clock = std::chrono::steady_clock;
/// Of the regex engines that the express router knows the standard library's took a tenth of the
/// server's time.
using Router = restinio::router::express_router_t<restinio::router::pcre2_regex_engine_t<>>;

/// Silent slow clients are closed after this long; so are connections that are kept open unused.
constexpr std::chrono::seconds kReadTimeout{50};
constexpr std::chrono::seconds kWriteTimeout{30};
/// RESTinio closes a connection without a word when its own limits are passed, so they stand well
/// behind those that are answered.
constexpr std::chrono::seconds kBehindRequestTimeout{15};
constexpr std::size_t kBehindMaxBody = 8;

/// The caller's X-Request-Id when it is 1 to 128 visible ASCII characters, else a new one.
std::string request_id_of(std::string_view given) {
  constexpr std::size_t kLongest = 128;
  const bool fit =
      !given.empty() && given.size() <= kLongest &&
      std::all_of(given.begin(), given.end(), [](char c) { return c > 0x20 && c < 0x7f; });
  return fit ? std::string{given} : domain::Uuid::random().text();
}

void read_headers(const restinio::request_t& from, Request& to) {
  to.body = from.body();
  to.authorization = header_of(from, "Authorization");
  to.api_key = header_of(from, "X-API-Key");
  to.content_type = header_of(from, "Content-Type");
  to.accept = header_of(from, "Accept");
  to.has_idempotency_key = from.header().has_field("Idempotency-Key");
  to.idempotency_key = header_of(from, "Idempotency-Key");
  to.device_id = header_of(from, "X-Device-Id");
  to.trace_id = trace_id_of(header_of(from, "traceparent"));
  to.request_id = request_id_of(header_of(from, "X-Request-Id"));
  const auto query = from.header().query();
  to.query = {query.data(), query.size()};
}

restinio::http_method_id_t method_of(const Route& route) {
  if (route.method == "GET")
    return restinio::http_method_get();
  if (route.method == "POST")
    return restinio::http_method_post();
  if (route.method == "DELETE")
    return restinio::http_method_delete();
  throw std::logic_error("a route with a method that the server does not know");
}

restinio::string_view_t path_of(const Route& route) {
  return {route.path.data(), route.path.size()};
}

/// The names behind the colons, from left to right.
std::vector<std::string_view> parameters_of(std::string_view path) {
  std::vector<std::string_view> names;
  for (auto colon = path.find(':'); colon != std::string_view::npos;
       colon = path.find(':', colon + 1))
    names.push_back(path.substr(colon + 1, path.find('/', colon) - colon - 1));
  return names;
}

/// The routes of each path, in the order in which the router is to try the paths: the first that
/// matches is taken, and `/devices/me` is no device's id.
std::vector<std::vector<const Route*>> routes_by_path() {
  std::vector<std::vector<const Route*>> paths;
  for (const Route& route : routes()) {
    const auto same = std::find_if(paths.begin(), paths.end(), [&](const auto& with_path) {
      return with_path.front()->path == route.path;
    });
    if (same == paths.end())
      paths.push_back({&route});
    else
      same->push_back(&route);
  }
  std::stable_sort(paths.begin(), paths.end(), [](const auto& left, const auto& right) {
    return parameters_of(left.front()->path).size() < parameters_of(right.front()->path).size();
  });
  return paths;
}

/// Shut once, after which nobody is behind it.
class Gate {
public:
  /// Whether one may go on, for as long as it lives.
  class Pass {
  public:
    explicit Pass(Gate& gate) : lock_(gate.mutex_), may_go_on_(!gate.is_shut_) {}
    explicit operator bool() const { return may_go_on_; }

  private:
    std::shared_lock<std::shared_mutex> lock_;
    bool may_go_on_;
  };

  /// Waits until everybody has come out.
  void shut() {
    const std::scoped_lock lock{mutex_};
    is_shut_ = true;
  }

private:
  std::shared_mutex mutex_;
  bool is_shut_ = false;
};

/// What the server calls for each request, around the router: no exception leaves it.
class Edge {
public:
  Edge(IoLoop& loop, std::shared_ptr<Gate> gate, Api& api, Lifecycle& lifecycle, domain::Log& log,
       domain::Metrics& metrics)
      : loop_(loop), gate_(std::move(gate)), api_(api), lifecycle_(lifecycle), log_(log),
        metrics_(metrics), router_(std::make_shared<Router>()) {
    for (const auto& with_path : routes_by_path()) {
      for (const Route* route : with_path)
        add(*route);
      refuse_other_methods(with_path);
    }
    router_->non_matched_request_handler([this](restinio::request_handle_t handle) {
      return refuse(std::move(handle), "", to_reply(Refusal{Refused::not_found}));
    });
  }

  restinio::request_handling_status_t operator()(restinio::request_handle_t handle) {
    IoLoop::Turn turn{loop_};
    const auto status = route(std::move(handle));
    turn.run_posted();
    return status;
  }

private:
  restinio::request_handling_status_t route(restinio::request_handle_t handle) {
    const Gate::Pass pass{*gate_};
    if (!pass)
      return refuse(std::move(handle), "", to_reply(Refusal{Refused::shutting_down}));
    try {
      return (*router_)(handle);
    } catch (const std::exception&) {
      // The router itself throws on a bad escape in the path: no route has such a name.
      return refuse(std::move(handle), "", to_reply(Refusal{Refused::not_found}));
    }
  }

  std::shared_ptr<Pending> accept(restinio::request_handle_t handle, std::string_view route) {
    auto pending = std::make_shared<Pending>(std::move(handle), lifecycle_, log_, metrics_);
    Request& request = pending->request;
    const auto& from = *pending->handle();
    request.received = Clock::now();
    const char* method = from.header().method().c_str();
    request.method = method;
    request.route = route;
    read_headers(from, request);
    return pending;
  }

  restinio::request_handling_status_t refuse(restinio::request_handle_t handle,
                                             std::string_view route, Reply reply) {
    accept(std::move(handle), route)->answer(std::move(reply));
    return restinio::request_accepted();
  }

  void add(const Route& route) {
    router_->add_handler(
        method_of(route), path_of(route),
        [this, &route, names = parameters_of(route.path)](
            restinio::request_handle_t handle, const restinio::router::route_params_t& parameters) {
          const auto pending = accept(std::move(handle), route.route);
          for (const auto name : names) {
            const auto value = parameters[{name.data(), name.size()}];
            pending->request.parameters.emplace_back(value.data(), value.size());
          }
          serve(route, pending);
          return restinio::request_accepted();
        });
  }

  void serve(const Route& route, const std::shared_ptr<Pending>& pending) {
    if (!route.while_draining && lifecycle_.phase() == Lifecycle::Phase::draining)
      return pending->answer(to_reply(Refusal{Refused::shutting_down}));
    try {
      (api_.*route.handler)(pending->request,
                            [pending](Reply reply) { pending->answer(std::move(reply)); });
    } catch (const std::exception& why) {
      log_.event(domain::LogLevel::error, "http.defect",
                 {{"request_id", std::string_view{pending->request.request_id}},
                  {"route", route.route},
                  {"error", std::string_view{why.what()}}});
      pending->answer(to_reply(Refusal{Refused::internal}));
    }
  }

  void refuse_other_methods(const std::vector<const Route*>& with_path) {
    std::string allow;
    restinio::router::dynamic_none_of_methods_matcher_t others;
    for (const Route* route : with_path) {
      allow += (allow.empty() ? "" : ", ") + std::string{route->method};
      others.add(method_of(*route));
    }
    const Route& first = *with_path.front();
    router_->add_handler(
        std::move(others), path_of(first),
        [this, allow, route = first.route](restinio::request_handle_t handle, const auto&) {
          Reply reply = to_reply(Refusal{Refused::method_not_allowed});
          reply.headers.emplace_back("Allow", allow);
          return refuse(std::move(handle), route, std::move(reply));
        });
  }

  IoLoop& loop_;
  std::shared_ptr<Gate> gate_;
  Api& api_;
  Lifecycle& lifecycle_;
  domain::Log& log_;
  domain::Metrics& metrics_;
  std::shared_ptr<Router> router_;
};

/// A flood of connections must not become a flood of lines.
class Complaints {
public:
  bool is_due() {
    const auto now = Clock::now().time_since_epoch();
    auto last = last_.load();
    return now - Clock::duration{last} > kBetween &&
           last_.compare_exchange_strong(last, now.count());
  }

private:
  static constexpr std::chrono::seconds kBetween{10};

  std::atomic<Clock::rep> last_{0};
};

/// Counts the connections, and closes at once what would be one too many. (RESTinio's own
/// `max_parallel_connections` counts a connection for ever that the peer reset before it was looked
/// at; its IP blocker ends the program over one that is reset at the wrong moment. Both read in
/// `restinio/impl/acceptor.hpp`.)
class Doorkeeper {
public:
  Doorkeeper(std::shared_ptr<OpenConnections> connections, domain::Log& log)
      : connections_(std::move(connections)), log_(log) {}

  /// What it throws drops a connection that was just accepted, and nothing else.
  void state_changed(const restinio::connection_state::notice_t& notice) {
    const auto id = notice.connection_id();
    if (!restinio::holds_alternative<restinio::connection_state::accepted_t>(notice.cause()))
      return connections_->leave(id);
    if (!connections_->enter(id)) {
      complain();
      throw std::runtime_error("too many connections");
    }
  }

private:
  void complain() {
    if (complaints_.is_due())
      log_.event(domain::LogLevel::warning, "http.connections_full",
                 {{"open", static_cast<std::int64_t>(connections_->count())}});
  }

  std::shared_ptr<OpenConnections> connections_;
  domain::Log& log_;
  Complaints complaints_;
};

/// RESTinio's logger: what it says is of no use to administrators, but for this.
class AcceptLog : public restinio::null_logger_t {
public:
  AcceptLog(domain::Log& log, domain::Metrics& metrics) : log_(log), metrics_(metrics) {}

  void accept_failed(const std::error_code& why) {
    metrics_.accept_failed();
    if (complaints_.is_due())
      log_.event(domain::LogLevel::error, "http.accept_failed",
                 {{"error", std::string_view{why.message()}}});
  }

private:
  domain::Log& log_;
  domain::Metrics& metrics_;
  Complaints complaints_;
};

struct Traits : restinio::default_traits_t {
  using request_handler_t = Edge;
  using connection_state_listener_t = Doorkeeper;
  using logger_t = AcceptLog;
};

} // namespace
} // namespace regroup::http

template <>
class restinio::impl::acceptor_t<regroup::http::Traits>
    : public regroup::http::Acceptor<regroup::http::Traits> {
  using Acceptor::Acceptor;
};

namespace regroup::http {

struct Server::Impl {
  explicit Impl(std::size_t max_connections)
      : connections(std::make_shared<OpenConnections>(max_connections)) {}

  // Connections have them as well, and may outlive the server.
  std::shared_ptr<Gate> gate = std::make_shared<Gate>();
  std::shared_ptr<OpenConnections> connections;
  std::uint16_t port = 0;
  int listener = -1; // the server's own
  std::optional<restinio::http_server_t<Traits>> server;

  /// Waits for the loop to have done it. Throws what opening throws.
  void open() {
    std::promise<void> opened;
    server->open_async([&] { opened.set_value(); },
                       [&](std::exception_ptr why) { opened.set_exception(std::move(why)); });
    opened.get_future().get();
  }
  void close() {
    std::promise<void> closed;
    server->close_async([&] { closed.set_value(); }, [&](auto) { closed.set_value(); });
    closed.get_future().get();
  }
};

Server::Server(IoLoop& loop, const ServerSettings& settings, Api& api, Lifecycle& lifecycle,
               domain::Log& log, domain::Metrics& metrics)
    : impl_(std::make_unique<Impl>(settings.max_connections)) {
  restinio::server_settings_t<Traits> server;
  server.address(settings.address)
      .port(settings.port)
      .request_handler(std::make_unique<Edge>(loop, impl_->gate, api, lifecycle, log, metrics))
      .connection_state_listener(std::make_shared<Doorkeeper>(impl_->connections, log))
      .logger(log, metrics)
      .buffer_size(8192)
      .read_next_http_message_timelimit(kReadTimeout)
      .write_http_response_timelimit(kWriteTimeout)
      .handle_request_timeout(settings.request_timeout + kBehindRequestTimeout)
      .incoming_http_msg_limits(restinio::incoming_http_msg_limits_t{}
                                    .max_url_size(8192)
                                    .max_field_name_size(256)
                                    .max_field_value_size(16384)
                                    .max_field_count(100)
                                    .max_body_size(settings.max_body_bytes * kBehindMaxBody))
      .socket_options_setter([](restinio::socket_options_t& options) {
        options.set_option(restinio::asio_ns::ip::tcp::no_delay{true});
      })
      .acceptor_post_bind_hook([this](restinio::asio_ns::ip::tcp::acceptor& acceptor) {
        impl_->port = acceptor.local_endpoint().port();
        impl_->listener = acceptor.native_handle();
      });
  try {
    impl_->server.emplace(restinio::external_io_context(loop.io().context), std::move(server));
    impl_->open();
  } catch (const std::exception& why) {
    throw std::runtime_error("http.address, http.port: cannot listen on " + settings.address + ":" +
                             std::to_string(settings.port) + " (" + why.what() + ")");
  }
}

Server::~Server() = default;

void Server::stop() {
  impl_->close();
  impl_->gate->shut();
}

std::uint16_t Server::port() const { return impl_->port; }

void Server::stop_listening() {
  // RESTinio can stop only as a whole. On Linux a listening socket that is shut down refuses; the
  // accept that waits there fails (http/acceptor.hpp).
  ::shutdown(impl_->listener, SHUT_RDWR);
}

std::size_t Server::connections() const { return impl_->connections->count(); }

} // namespace regroup::http
