#include "http/server/server.hpp"

#include "http/outcome_table.hpp"
#include "http/pending.hpp"
#include "http/server/acceptor.hpp"
#include "http/server/framed_socket.hpp"
#include "http/server/io_context.hpp"
#include "http/server/open_connections.hpp"
#include "http/server/trace.hpp"

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
/// The standard library's regex engine, which the express router could use too, took a tenth of the
/// server's time.
using Router = restinio::router::express_router_t<restinio::router::pcre2_regex_engine_t<>>;

constexpr std::chrono::seconds kWriteTimeout{30};
/// RESTinio closes a connection without an answer when its own timeouts pass. So they are this much
/// longer than the timeouts that are answered and those that a Connection enforces.
constexpr std::chrono::seconds kBehind{15};
/// How much RESTinio reads at once, of the head that a Connection gives it.
constexpr std::size_t kDeliveryBytes = 512;

/// The caller's X-Request-Id if it is 1 to 128 visible ASCII characters, else a new one.
std::string request_id_of(std::string_view given) {
  constexpr std::size_t kLongest = 128;
  const bool fit =
      !given.empty() && given.size() <= kLongest &&
      std::all_of(given.begin(), given.end(), [](char c) { return c > 0x20 && c < 0x7f; });
  return fit ? std::string{given} : domain::Uuid::random().text();
}

void read_head(const Head& from, Request& to) {
  to.method = from.method().empty() ? "unknown" : from.method();
  to.query = from.query();
  to.authorization = from[Field::authorization];
  to.api_key = from[Field::api_key];
  to.content_type = from[Field::content_type];
  to.content_encoding = from[Field::content_encoding];
  to.accept = from[Field::accept];
  to.has_idempotency_key = from.has(Field::idempotency_key);
  to.idempotency_key = from[Field::idempotency_key];
  to.device_id = from[Field::device_id];
  to.trace_id = trace_id_of(from[Field::traceparent]);
  to.request_id = request_id_of(from[Field::request_id]);
  to.has_body = from.framing() == Framing::chunked || from.content_length() > 0;
  to.content_length = from.content_length();
}

/// The value of `Allow`: the methods of a path's routes, and those that the server adds to them.
std::string allow_of(const std::vector<const Route*>& with_path) {
  std::string allow;
  for (const Route* route : with_path)
    allow += std::string{route->method} + (route->method == "GET" ? ", HEAD, " : ", ");
  return allow + "OPTIONS";
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

/// Paths are case-sensitive (RFC 3986, 6.2.2.1), and a trailing slash counts: a proxy's rule for
/// `/metrics` must cover every path that is served as `/metrics`.
restinio::path2regex::options_t to_the_letter() {
  return restinio::path2regex::options_t{}.sensitive(true).strict(true);
}

/// The names after the colons, from left to right.
std::vector<std::string_view> parameters_of(std::string_view path) {
  std::vector<std::string_view> names;
  for (auto colon = path.find(':'); colon != std::string_view::npos;
       colon = path.find(':', colon + 1))
    names.push_back(path.substr(colon + 1, path.find('/', colon) - colon - 1));
  return names;
}

/// The routes grouped by path, in the order in which the router tries the paths. It takes the first
/// match, so paths with fewer parameters come first: the `me` of `/devices/me` is no device's id.
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

/// Keeps requests away from the Api once the server has stopped. Can be shut once.
class Gate {
public:
  /// Converts to true if the gate is open. The gate stays as it is while the Pass lives.
  class Pass {
  public:
    explicit Pass(Gate& gate) : lock_(gate.mutex_), may_go_on_(!gate.is_shut_) {}
    explicit operator bool() const { return may_go_on_; }

  private:
    std::shared_lock<std::shared_mutex> lock_;
    bool may_go_on_;
  };

  /// Waits until no Pass is left.
  void shut() {
    const std::scoped_lock lock{mutex_};
    is_shut_ = true;
  }

private:
  std::shared_mutex mutex_;
  bool is_shut_ = false;
};

/// The request handler that RESTinio calls for each request, around the router. No exception leaves
/// it.
class Edge {
public:
  Edge(IoLoop& loop, std::shared_ptr<Gate> gate, Api& api, Lifecycle& lifecycle, domain::Log& log,
       domain::Metrics& metrics, std::vector<std::string> cors_origins)
      : loop_(loop), gate_(std::move(gate)), api_(api), lifecycle_(lifecycle), log_(log),
        metrics_(metrics), cors_(std::move(cors_origins)), router_(std::make_shared<Router>()) {
    for (const auto& with_path : routes_by_path()) {
      for (const Route* route : with_path)
        add(*route);
      answer_other_methods(with_path);
    }
    router_->non_matched_request_handler(
        [this](restinio::request_handle_t handle) { return refuse_route(std::move(handle)); });
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
    const auto head = Connection::delivering()->head();
    if (const auto why = head->refused()) {
      Refusal refusal{*why};
      if (head->limit() > 0)
        refusal.limit = head->limit();
      return refuse(std::move(handle), "", to_reply(refusal));
    }
    if (head->path() == "*")
      return describe(std::move(handle), "*", "GET, HEAD, POST, DELETE, OPTIONS");
    // An escape gives a path a second spelling, and no route needs one: parameters are UUIDs,
    // numbers and file names. A fragment is not allowed in a request (RFC 9112, 3.2), and RESTinio
    // would cut it off.
    if (handle->header().path().find('%') != restinio::string_view_t::npos ||
        handle->header().request_target().find('#') != std::string::npos)
      return refuse_route(std::move(handle));
    try {
      return (*router_)(handle);
    } catch (const std::exception&) {
      // The router throws on a bad escape in the path: no route has such a name.
      return refuse_route(std::move(handle));
    }
  }

  restinio::request_handling_status_t refuse_route(restinio::request_handle_t handle) {
    const auto head = Connection::delivering()->head();
    Reply reply = no_such_route(head->method(), head->path());
    return refuse(std::move(handle), "", std::move(reply));
  }

  std::shared_ptr<Pending> accept(restinio::request_handle_t handle, std::string_view route) {
    auto pending = std::make_shared<Pending>(std::move(handle), Connection::delivering(),
                                             lifecycle_, log_, metrics_, cors_);
    Request& request = pending->request;
    request.received = Clock::now();
    request.route = route;
    read_head(pending->head(), request);
    request.read_body = [this, pending = pending.get()](std::function<void(const Body&)> done) {
      read_body(*pending, std::move(done));
    };
    return pending;
  }

  /// `done` holds the request's Respond, and so keeps the request alive.
  void read_body(Pending& pending, std::function<void(const Body&)> done) {
    // The request timeout does not run while the client is still sending the body.
    const auto asked = Clock::now();
    pending.connection().read_body(
        [this, &pending, asked, done = std::move(done)](const Body& body) {
          pending.request.received += Clock::now() - asked;
          guarded(pending, [&] { done(body); });
        });
  }

  /// Runs a part of a handler; answers the request if it throws.
  template <class Part> void guarded(Pending& pending, Part part) {
    try {
      part();
    } catch (const std::exception& why) {
      log_.event(domain::LogLevel::error, "http.defect",
                 {{"request_id", std::string_view{pending.request.request_id}},
                  {"route", pending.request.route},
                  {"error", std::string_view{why.what()}}});
      // The migration may have been submitted by then: its outcome is not known here.
      Refusal refusal{Refused::internal};
      if (pending.request.method == "POST" && pending.request.facts.migration_id) {
        refusal.reason = Refused::timeout;
        refusal.migration_id = pending.request.facts.migration_id;
      }
      pending.answer(to_reply(refusal));
    }
  }

  restinio::request_handling_status_t refuse(restinio::request_handle_t handle,
                                             std::string_view route, Reply reply) {
    accept(std::move(handle), route)->answer(std::move(reply));
    return restinio::request_accepted();
  }

  void add(const Route& route) {
    router_->add_handler(
        method_of(route), path_of(route), to_the_letter(),
        [this, &route, names = parameters_of(route.path)](
            restinio::request_handle_t handle, const restinio::router::route_params_t& parameters) {
          const auto pending = accept(std::move(handle), route.route);
          pending->request.reads_query = route.reads_query;
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
    guarded(*pending, [&] {
      (api_.*route.handler)(pending->request,
                            [pending](Reply reply) { pending->answer(std::move(reply)); });
    });
  }

  /// Answers OPTIONS with the methods of the path, and any other method with 405.
  void answer_other_methods(const std::vector<const Route*>& with_path) {
    restinio::router::dynamic_none_of_methods_matcher_t others;
    for (const Route* route : with_path)
      others.add(method_of(*route));
    const Route& first = *with_path.front();
    router_->add_handler(std::move(others), path_of(first), to_the_letter(),
                         [this, allow = allow_of(with_path),
                          route = first.route](restinio::request_handle_t handle, const auto&) {
                           if (Connection::delivering()->head()->method() == "OPTIONS")
                             return describe(std::move(handle), route, allow);
                           Reply reply = to_reply(Refusal{Refused::method_not_allowed});
                           reply.headers.emplace_back("Allow", allow);
                           return refuse(std::move(handle), route, std::move(reply));
                         });
  }

  /// Answers OPTIONS, including a browser's preflight.
  restinio::request_handling_status_t describe(restinio::request_handle_t handle,
                                               std::string_view route, const std::string& allow) {
    Reply reply{204};
    reply.headers.emplace_back("Allow", allow);
    cors_.add_preflight(reply.headers, *Connection::delivering()->head(), allow);
    return refuse(std::move(handle), route, std::move(reply));
  }

  IoLoop& loop_;
  std::shared_ptr<Gate> gate_;
  Api& api_;
  Lifecycle& lifecycle_;
  domain::Log& log_;
  domain::Metrics& metrics_;
  Cors cors_;
  std::shared_ptr<Router> router_;
};

/// Limits how often a complaint is logged: a flood of connections must not flood the log.
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

/// The connection limiter: counts connections, and closes one beyond the limit at once. It replaces
/// two mechanisms of RESTinio (both read in `restinio/impl/acceptor.hpp`):
/// `max_parallel_connections` counts a connection for ever if the peer reset it before RESTinio
/// looked at it, and the IP blocker ends the program over a connection reset at the wrong moment.
class Doorkeeper {
public:
  Doorkeeper(std::shared_ptr<OpenConnections> connections, domain::Log& log)
      : connections_(std::move(connections)), log_(log) {}

  /// Throwing drops the connection that was just accepted, and nothing else.
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

/// RESTinio's logger. Only failed accepts are of use to administrators.
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
  using stream_socket_t = FramedSocket;
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

  // Shared with the connections, which may outlive the server.
  std::shared_ptr<Gate> gate = std::make_shared<Gate>();
  std::shared_ptr<OpenConnections> connections;
  std::uint16_t port = 0;
  int listener = -1; // the listening socket, which the server owns
  std::optional<restinio::http_server_t<Traits>> server;

  /// Waits until the loop has opened the server. Throws what opening throws.
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
  auto& rules = restinio::asio_ns::use_service<ConnectionRules>(loop.io().context);
  rules.idle_timeout = settings.idle_timeout;
  rules.read_timeout = settings.read_timeout;
  rules.max_body_bytes = settings.max_body_bytes;
  rules.budget = std::make_shared<BodyBudget>(settings.max_buffered_bytes);
  restinio::server_settings_t<Traits> server;
  server.address(settings.address)
      .port(settings.port)
      .request_handler(std::make_unique<Edge>(loop, impl_->gate, api, lifecycle, log, metrics,
                                              settings.cors_origins))
      .connection_state_listener(std::make_shared<Doorkeeper>(impl_->connections, log))
      .logger(log, metrics)
      .buffer_size(kDeliveryBytes)
      // One accept at a time: RESTinio numbers the connections without a lock.
      .concurrent_accepts_count(1)
      .read_next_http_message_timelimit(settings.idle_timeout + settings.read_timeout + kBehind)
      .write_http_response_timelimit(kWriteTimeout)
      .handle_request_timeout(settings.read_timeout + settings.request_timeout + kBehind)
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
  // RESTinio can only stop as a whole. On Linux a listening socket that is shut down refuses
  // connections, and the pending accept fails (http/server/acceptor.hpp).
  ::shutdown(impl_->listener, SHUT_RDWR);
}

std::size_t Server::connections() const { return impl_->connections->count(); }

} // namespace regroup::http
