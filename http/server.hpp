#pragma once
#include "domain/log.hpp"
#include "domain/metrics.hpp"
#include "http/api.hpp"
#include "http/lifecycle.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace regroup::http {

struct ServerSettings {
  std::string address = "127.0.0.1";
  std::uint16_t port = 8080; // 0: any free one
  std::size_t threads = 2;
  std::chrono::milliseconds request_timeout = std::chrono::seconds{30};
  std::size_t max_body_bytes = 1048576;
  std::size_t max_connections = 10000;
};

/// The RESTinio server in front of the Api. Serves from its construction to stop().
class Server {
public:
  /// Throws std::runtime_error with one line when it cannot listen. What is referred to outlives
  /// it.
  Server(const ServerSettings& settings, Api& api, Lifecycle& lifecycle, domain::Log& log,
         domain::Metrics& metrics);
  /// Whoever holds a Respond of this server's has let go of it before.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  std::uint16_t port() const;

  /// New connections are refused by the kernel from now on; those that are open stay.
  void stop_listening();

  /// Closes every connection and waits for the threads. A Respond may still be called, and is
  /// nothing.
  void stop();

  /// How many are open.
  std::size_t connections() const;

private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

} // namespace regroup::http
