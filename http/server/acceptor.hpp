#pragma once
// Replaces RESTinio's acceptor in http/server/server.cpp. RESTinio's does not accept again after a
// failed accept: a moment without free file descriptors left the server deaf.
#include <restinio/all.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace regroup::http {

/// The acceptor interface that RESTinio requires. Accepts one connection at a time; after a failed
/// accept it calls `Traits::logger_t::accept_failed()`, pauses, and accepts again.
template <class Traits> class Acceptor : public std::enable_shared_from_this<Acceptor<Traits>> {
  using Socket = typename Traits::stream_socket_t;
  using Factory = restinio::impl::connection_factory_t<Traits>;
  using Monitor = typename restinio::connection_count_limit_types<Traits>::lifetime_monitor_t;
  using Strand = restinio::asio_ns::strand<restinio::default_asio_executor>;
  using Endpoint = restinio::asio_ns::ip::tcp::endpoint;

public:
  template <class Settings>
  Acceptor(Settings& settings, restinio::asio_ns::io_context& context,
           std::shared_ptr<Factory> factory, typename Traits::logger_t& logger)
      : context_(context), strand_(context.get_executor()), endpoint_(endpoint_of(settings)),
        options_(settings.acceptor_options_setter()),
        after_bind_(settings.giveaway_acceptor_post_bind_hook()), factory_(std::move(factory)),
        logger_(logger), acceptor_(context), socket_(context), pause_(context) {}

  /// RESTinio opens and closes the acceptor on this strand. Accepts complete on it too, so they
  /// never race with opening or closing.
  Strand& get_open_close_operations_executor() noexcept { return strand_; }

  /// Starts to listen. Throws the error that prevents it.
  void open() try {
    acceptor_.open(endpoint_.protocol());
    restinio::acceptor_options_t options{acceptor_};
    (*options_)(options);
    acceptor_.bind(endpoint_);
    after_bind_(acceptor_);
    acceptor_.listen(restinio::asio_ns::socket_base::max_listen_connections);
    accept();
  } catch (...) {
    close();
    throw;
  }

  void close() {
    pause_.cancel();
    restinio::asio_ns::error_code ignored;
    acceptor_.close(ignored);
  }

private:
  using Error = restinio::asio_ns::error_code;
  static constexpr std::chrono::milliseconds kPause{100};

  template <class Settings> static Endpoint endpoint_of(const Settings& settings) {
    Endpoint endpoint{settings.protocol(), settings.port()};
    const auto& given = settings.address();
    if (const auto* address = restinio::get_if<restinio::asio_ns::ip::address>(&given))
      endpoint.address(*address);
    else if (const auto* name = restinio::get_if<std::string>(&given))
      endpoint.address(restinio::asio_ns::ip::make_address(*name == "localhost"       ? "127.0.0.1"
                                                           : *name == "ip6-localhost" ? "::1"
                                                                                      : *name));
    return endpoint;
  }

  void accept() {
    acceptor_.async_accept(
        socket_.lowest_layer(),
        restinio::asio_ns::bind_executor(
            strand_, [self = this->shared_from_this()](Error error) { self->accepted(error); }));
  }

  void accepted(Error error) {
    if (!acceptor_.is_open())
      return;
    if (!error) {
      serve();
      accept();
    } else if (error == restinio::asio_ns::error::invalid_argument) {
      return; // the socket no longer listens: Server::stop_listening()
    } else {
      logger_.accept_failed(error);
      pause_.expires_after(kPause);
      pause_.async_wait(restinio::asio_ns::bind_executor(
          strand_, [self = this->shared_from_this()](Error cancelled) {
            if (!cancelled && self->acceptor_.is_open())
              self->accept();
          }));
    }
  }

  /// Drops a connection that is already gone, or that the connection state listener refuses.
  void serve() noexcept try {
    Socket socket = std::move(socket_); // socket_ is ready for the next accept
    const auto peer = socket.lowest_layer().remote_endpoint();
    factory_->create_new_connection(std::move(socket), peer, Monitor{nullptr})->init();
  } catch (const std::exception&) {
    return;
  }

  restinio::asio_ns::io_context& context_;
  Strand strand_;
  Endpoint endpoint_;
  std::unique_ptr<restinio::acceptor_options_setter_t> options_;
  restinio::acceptor_post_bind_hook_t after_bind_;
  std::shared_ptr<Factory> factory_;
  typename Traits::logger_t& logger_;
  restinio::asio_ns::ip::tcp::acceptor acceptor_;
  Socket socket_; // for the next connection
  restinio::asio_ns::steady_timer pause_;
};

} // namespace regroup::http
