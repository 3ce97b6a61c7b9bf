#pragma once
#include "domain/log.hpp"
#include "domain/metrics.hpp"
#include "http/api.hpp"
#include "http/server/connection.hpp"
#include "http/server/cors.hpp"
#include "http/server/lifecycle.hpp"

#include <restinio/all.hpp>

#include <atomic>
#include <memory>

namespace regroup::http {

class Owed;

/// A request on its way to its answer. If it is dropped unanswered, it answers 504, so that no
/// caller waits on a silent connection. All objects passed by reference outlive it.
class Pending {
public:
  /// For the request that the connection has just delivered. Construct it on the connection's
  /// strand.
  Pending(restinio::request_handle_t handle, std::shared_ptr<Connection> connection,
          Lifecycle& lifecycle, domain::Log& log, domain::Metrics& metrics, const Cors& cors);
  ~Pending();
  Pending(const Pending&) = delete;
  Pending& operator=(const Pending&) = delete;

  /// Sends the first answer and ignores any other. May be called from any thread.
  void answer(Reply reply) noexcept;

  const Head& head() const { return *head_; }
  Connection& connection() { return *connection_; }

  Request request;

private:
  void send(Reply reply);
  void send_without_content(const Reply& reply);
  restinio::write_status_cb_t written();
  template <class Each> void for_each_field(const Reply& reply, Each each) const;
  template <class Output> restinio::response_builder_t<Output> start(const Reply& reply);

  restinio::request_handle_t handle_;
  std::shared_ptr<Connection> connection_;
  std::shared_ptr<const Head> head_;
  std::shared_ptr<Owed> owed_;
  domain::Log& log_;
  domain::Metrics& metrics_;
  const Cors& cors_;
  std::atomic<bool> answered_{false};
};

} // namespace regroup::http
