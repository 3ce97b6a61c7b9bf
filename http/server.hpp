#pragma once
#include "domain/log.hpp"
#include "domain/metrics.hpp"
#include "http/api.hpp"
#include "http/io_loop.hpp"
#include "http/lifecycle.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace regroup::http {

struct ServerSettings {
  std::string address = "127.0.0.1";
  std::uint16_t port = 8080; // 0: any free one
  std::chrono::milliseconds request_timeout = std::chrono::seconds{30};
  std::size_t max_body_bytes = 1048576;
  std::size_t max_buffered_bytes = 67108864; // bodies that are coming in, all together
  std::size_t max_connections = 10000;
  std::chrono::milliseconds idle_timeout = std::chrono::seconds{75}; // between two requests
  std::chrono::milliseconds read_timeout = std::chrono::seconds{30}; // for one request
  std::vector<std::string> cors_origins{};
};

/// The RESTinio server in front of the Api. Serves from its construction to stop().
class Server {
public:
  /// Serves on the loop's threads. Throws std::runtime_error with one line when it cannot listen.
  /// The Api outlives the server, everything else that is referred to the loop.
  Server(IoLoop& loop, const ServerSettings& settings, Api& api, Lifecycle& lifecycle,
         domain::Log& log, domain::Metrics& metrics);
  /// After stop(). Open connections stay with the loop, and are refused whatever they ask.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  std::uint16_t port() const;

  /// New connections are refused by the kernel from now on; those that are open stay.
  void stop_listening();

  /// Takes no connection any more, and waits until the Api is not called any more: whoever asks
  /// over an open connection is told that the service is shutting down. Connections close with the
  /// loop.
  void stop();

  /// How many are open.
  std::size_t connections() const;

private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

} // namespace regroup::http
