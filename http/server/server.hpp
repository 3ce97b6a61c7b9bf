#pragma once
#include "domain/log.hpp"
#include "domain/metrics.hpp"
#include "http/api.hpp"
#include "http/server/io_loop.hpp"
#include "http/server/lifecycle.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace regroup::http {

struct ServerSettings {
  std::string address = "127.0.0.1";
  std::uint16_t port = 8080; // 0: any free port
  std::chrono::milliseconds request_timeout = std::chrono::seconds{30};
  std::size_t max_body_bytes = 1048576;
  std::size_t max_buffered_bytes = 67108864; // for all bodies being received, together
  std::size_t max_connections = 10000;
  std::chrono::milliseconds idle_timeout = std::chrono::seconds{75}; // between two requests
  std::chrono::milliseconds read_timeout = std::chrono::seconds{30}; // for one request
  std::vector<std::string> cors_origins{};
};

/// The RESTinio server in front of the Api. Serves from construction until stop().
class Server {
public:
  /// Serves on the loop's threads. Throws std::runtime_error with one line if it cannot listen. The
  /// Api outlives the server; all other objects passed by reference outlive the loop.
  Server(IoLoop& loop, const ServerSettings& settings, Api& api, Lifecycle& lifecycle,
         domain::Log& log, domain::Metrics& metrics);
  /// Call stop() first. Open connections stay with the loop; all their requests are refused.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  std::uint16_t port() const;

  /// From now on the kernel refuses new connections. Open connections stay.
  void stop_listening();

  /// Accepts no more connections, and waits until no request is in the Api. From then on requests
  /// over open connections are refused, since the service shuts down. Connections close with the
  /// loop.
  void stop();

  /// The number of open connections.
  std::size_t connections() const;

private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

} // namespace regroup::http
