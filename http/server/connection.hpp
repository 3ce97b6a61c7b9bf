#pragma once
#include "http/server/body_budget.hpp"
#include "http/server/body_decoder.hpp"
#include "http/server/inbox.hpp"
#include "http/server/message.hpp"

#include <restinio/asio_include.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace regroup::http {

/// The limits that all connections of a server share. A connection finds them through its
/// io_context, because RESTinio constructs a socket from nothing else.
class ConnectionRules final : public restinio::asio_ns::execution_context::service {
public:
  static restinio::asio_ns::execution_context::id id;

  explicit ConnectionRules(restinio::asio_ns::execution_context& context) : service(context) {}
  void shutdown() noexcept override {}

  std::chrono::milliseconds idle_timeout = std::chrono::seconds{75}; // between two requests
  std::chrono::milliseconds read_timeout = std::chrono::seconds{30}; // for one request
  std::size_t max_body_bytes = 1048576;
  std::shared_ptr<BodyBudget> budget = std::make_shared<BodyBudget>(67108864);
  std::atomic<int> lingering{0}; // connections that only wait for the client to read the answer
};

/// A client's connection, between its socket and RESTinio (FramedSocket). It parses what arrives by
/// RFC 9112, one request at a time. RESTinio gets a synthetic head that differs only in method,
/// path and whether the connection closes; the handlers get the real head from here, and ask for
/// the body when they want it. The next request waits until this one's answer was written: so
/// answers stay in order, and no more is buffered than the last read from the socket returned.
///
/// All members run on RESTinio's strand of the connection, unless noted otherwise.
class Connection : public std::enable_shared_from_this<Connection> {
public:
  using Error = restinio::asio_ns::error_code;
  using Socket = restinio::asio_ns::ip::tcp::socket;
  using Timer = restinio::asio_ns::steady_timer;
  using Executor = restinio::asio_ns::any_io_executor;

  explicit Connection(restinio::asio_ns::io_context& context);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  Socket& socket() { return socket_; }
  bool is_open() const { return !is_closed_ && socket_.is_open(); }

  // For FramedSocket.

  /// What FramedSocket has to do before RESTinio gets something to read.
  enum class Next {
    deliver, // pass on take_delivery()
    receive, // read from the socket into room(), then call received()
    wait,    // wait for answer_waits()
    end,     // report error(): nothing more will come
  };
  Next next();
  restinio::asio_ns::mutable_buffer room();
  void received(const Error& error, std::size_t count);
  std::size_t take_delivery(restinio::asio_ns::mutable_buffer into);
  const Error& error() const { return error_; }
  /// Its wait ends once the answer was written, or the connection stops reading.
  Timer& answer_waits() { return answer_waits_; }
  template <class Strand> void runs_on(const Strand& strand) {
    if (!strand_)
      strand_ = strand;
  }
  void stop_reading();
  /// Closes the socket. If the client may not have read the last answer yet, gives it time first.
  void close();

  /// While RESTinio's handler runs: makes delivering() the connection that the request came from.
  class Delivering {
  public:
    explicit Delivering(Connection* connection) : outer_(std::exchange(current_, connection)) {}
    ~Delivering() { current_ = outer_; }
    Delivering(const Delivering&) = delete;
    Delivering& operator=(const Delivering&) = delete;

  private:
    Connection* outer_;
  };
  static std::shared_ptr<Connection> delivering() { return current_->shared_from_this(); }

  // For the delivered request: there is one at a time, until answered().

  std::shared_ptr<const Head> head() const { return head_; }

  /// May be called from any thread, once per request.
  void read_body(std::function<void(const Body&)> done);

  /// Whether answering now would leave the connection out of step, so that it must close.
  bool must_close() const;

  /// Call when the answer was written, or could not be.
  void answered();

private:
  using Clock = std::chrono::steady_clock;
  struct BodyRead;

  static thread_local Connection* current_;

  void deliver(std::shared_ptr<const Head> head);
  bool skip_body();
  void begin_body(std::function<void(const Body&)> done);
  void go_on_with(std::shared_ptr<BodyRead> read);
  std::optional<Body> decode(BodyRead& read);
  Body fail(domain::Refused why);
  bool may_be_unread();
  void linger();
  void drain();
  void set_deadline(Clock::time_point deadline);
  void limit_reading();
  void arm(Clock::time_point when);

  ConnectionRules& rules_;
  Socket socket_;
  Executor strand_;
  Inbox inbox_;
  bool at_end_ = false;  // the client sends no more
  bool gave_up_ = false; // the rest of a body is too long or malformed: nothing after it is read
  bool stopped_ = false; // RESTinio reads no more
  Error error_;          // why there is nothing more to read

  std::shared_ptr<const Head> head_;
  BodyDecoder body_;
  bool body_failed_ = false;
  bool continued_ = false; // 100 was sent or not needed, or the body came without it
  std::size_t skipped_ = 0;
  std::string delivery_; // the head for RESTinio; it has the first `delivered_` bytes already
  std::size_t delivered_ = 0;
  bool awaits_answer_ = false;
  bool has_answered_ = false;
  Timer answer_waits_;

  bool is_closed_ = false;
  Timer timer_;
  Clock::time_point armed_for_ = Clock::time_point::max();
  Clock::time_point deadline_ = Clock::time_point::max();
  std::optional<Clock::time_point> began_; // when the request being read began
  bool timed_out_ = false;
};

} // namespace regroup::http
