#pragma once
#include "http/body_budget.hpp"
#include "http/body_decoder.hpp"
#include "http/inbox.hpp"
#include "http/message.hpp"

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

/// What all connections of a server keep to. Found through the io_context that they live on: that
/// is all that RESTinio makes a socket from.
class ConnectionRules final : public restinio::asio_ns::execution_context::service {
public:
  static restinio::asio_ns::execution_context::id id;

  explicit ConnectionRules(restinio::asio_ns::execution_context& context) : service(context) {}
  void shutdown() noexcept override {}

  std::chrono::milliseconds idle_timeout = std::chrono::seconds{75}; // between two requests
  std::chrono::milliseconds read_timeout = std::chrono::seconds{30}; // for one request
  std::size_t max_body_bytes = 1048576;
  std::shared_ptr<BodyBudget> budget = std::make_shared<BodyBudget>(67108864);
  std::atomic<int> lingering{0}; // connections that only wait for their client to hear the answer
};

/// A client's connection, between its socket and RESTinio (FramedSocket). It takes what comes apart
/// as RFC 9112 says, one request at a time, and gives RESTinio of each request a head that is
/// always the same but for method and path; the handlers get the real one from here, and ask for
/// the body once they want it. The next request waits until this one's answer was written: so
/// answers are in order, and no more is kept than what the socket was last read for.
///
/// All of it runs on RESTinio's strand of the connection, unless it says otherwise.
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

  /// What has to happen before RESTinio gets something to read.
  enum class Next {
    deliver, // nothing: take_delivery()
    receive, // from the socket, into room(); then received()
    wait,    // for answer_waits()
    end,     // there is nothing more: error()
  };
  Next next();
  restinio::asio_ns::mutable_buffer room();
  void received(const Error& error, std::size_t count);
  std::size_t take_delivery(restinio::asio_ns::mutable_buffer into);
  const Error& error() const { return error_; }
  /// Expires once the answer was written, or the connection is to read no more.
  Timer& answer_waits() { return answer_waits_; }
  template <class Strand> void runs_on(const Strand& strand) {
    if (!strand_)
      strand_ = strand;
  }
  void stop_reading();
  /// After an answer that the client may not have read yet, only once it has had the time to.
  void close();

  /// While RESTinio's handler runs for a request: the connection that it came from.
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

  // For the request that was delivered, which is one until answered().

  std::shared_ptr<const Head> head() const { return head_; }

  /// From any thread, once.
  void read_body(std::function<void(const Body&)> done);

  /// Whether the connection would be out of step after an answer that is given now.
  bool must_close() const;

  /// Its answer was written, or could not be.
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
  bool gave_up_ = false; // the rest of a body is too long, or no body: nothing is read behind it
  bool stopped_ = false; // RESTinio reads no more
  Error error_;          // why there is nothing more

  std::shared_ptr<const Head> head_;
  BodyDecoder body_;
  bool body_failed_ = false;
  bool continued_ = false; // 100 was sent, or the body came without it
  std::size_t skipped_ = 0;
  std::string delivery_; // what RESTinio is given, and how much of it has been
  std::size_t delivered_ = 0;
  bool awaits_answer_ = false;
  bool has_answered_ = false;
  Timer answer_waits_;

  bool is_closed_ = false;
  Timer timer_;
  Clock::time_point armed_for_ = Clock::time_point::max();
  Clock::time_point deadline_ = Clock::time_point::max();
  std::optional<Clock::time_point> began_; // the request that is being read
  bool timed_out_ = false;
};

} // namespace regroup::http
