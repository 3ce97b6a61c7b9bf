#pragma once
#include "http/server/connection.hpp"

#include <restinio/all.hpp>

#include <cstddef>
#include <memory>
#include <utility>

namespace regroup::http {

/// The socket type in RESTinio's traits. RESTinio reads requests through a Connection, and writes
/// its answers directly to the socket.
class FramedSocket {
public:
  using Socket = Connection::Socket;
  using executor_type = Socket::executor_type;
  using lowest_layer_type = Socket::lowest_layer_type;

  explicit FramedSocket(restinio::asio_ns::io_context& context) : context_(&context) {}
  /// RESTinio reuses the moved-from socket to accept the next client.
  FramedSocket(FramedSocket&& other) noexcept
      : context_(other.context_), connection_(std::move(other.connection_)) {}
  FramedSocket& operator=(FramedSocket&&) = delete;
  FramedSocket(const FramedSocket&) = delete;
  FramedSocket& operator=(const FramedSocket&) = delete;
  ~FramedSocket() = default;

  lowest_layer_type& lowest_layer() { return connection().socket().lowest_layer(); }
  executor_type get_executor() { return connection().socket().get_executor(); }
  bool is_open() { return connection().is_open(); }
  void cancel(Connection::Error& /*error*/) { connection().stop_reading(); }
  /// Does nothing: close() shuts down when it is time.
  void shutdown(Socket::shutdown_type /*what*/, Connection::Error& /*error*/) {}
  void close() { connection().close(); }

  template <class Buffers, class Handler>
  auto async_write_some(const Buffers& buffers, Handler&& handler) {
    return connection().socket().async_write_some(buffers, std::forward<Handler>(handler));
  }

  template <class Handler>
  void async_read_some(restinio::asio_ns::mutable_buffer into, Handler handler) {
    connection().runs_on(restinio::asio_ns::get_associated_executor(handler));
    Read<Handler>{connection_, into, std::move(handler)}.begin();
  }

private:
  using Next = Connection::Next;

  /// An asio operation. asio owns it whatever it waits for: nothing else holds RESTinio's handler,
  /// which holds the connection.
  template <class Handler> struct Read {
    using executor_type = restinio::asio_ns::associated_executor_t<Handler>;

    std::shared_ptr<Connection> connection;
    restinio::asio_ns::mutable_buffer into;
    Handler handler;

    executor_type get_executor() const noexcept {
      return restinio::asio_ns::get_associated_executor(handler);
    }

    void begin() {
      const auto next = connection->next();
      if (next == Next::receive || next == Next::wait)
        wait_for(next);
      else // the handler must not run before async_read_some has returned
        restinio::asio_ns::post(std::move(*this));
    }

    void operator()(const Connection::Error& error, std::size_t count) {
      connection->received(error, count);
      (*this)();
    }
    void operator()(const Connection::Error& /*error*/) { (*this)(); }

    void operator()() {
      const auto next = connection->next();
      if (next == Next::receive || next == Next::wait)
        return wait_for(next);
      if (next == Next::end)
        return handler(connection->error(), 0);
      const auto count = connection->take_delivery(into);
      const Connection::Delivering here{connection.get()};
      handler(Connection::Error{}, count);
    }

    void wait_for(Next next) {
      Connection& on = *connection;
      if (next == Next::receive)
        on.socket().async_receive(on.room(), std::move(*this));
      else
        on.answer_waits().async_wait(std::move(*this));
    }
  };

  Connection& connection() {
    if (!connection_)
      connection_ = std::make_shared<Connection>(*context_);
    return *connection_;
  }

  restinio::asio_ns::io_context* context_;
  std::shared_ptr<Connection> connection_;
};

// Overloads that RESTinio has for its own two socket types.

template <class RestinioConnection, class Start, class Failed>
void prepare_connection_and_start_read(FramedSocket& /*socket*/, RestinioConnection& /*connection*/,
                                       Start start, Failed /*failed*/) {
  start();
}

inline restinio::tls_socket_t*
make_tls_socket_pointer_for_state_listener(FramedSocket& /*socket*/) noexcept {
  return nullptr;
}

} // namespace regroup::http
