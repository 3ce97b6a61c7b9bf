#pragma once
#include "domain/log.hpp"
#include "domain/metrics.hpp"
#include "http/api.hpp"
#include "http/lifecycle.hpp"

#include <restinio/all.hpp>

#include <atomic>
#include <memory>
#include <string_view>

namespace regroup::http {

/// Empty where there is no such header.
std::string_view header_of(const restinio::request_t& request, const char* name);

class Owed;

/// A request on its way to its answer. Dropped unanswered, it answers 500: a caller is never left
/// waiting for a connection that says nothing. What is referred to outlives it.
class Pending {
public:
  Pending(restinio::request_handle_t handle, Lifecycle& lifecycle, domain::Log& log,
          domain::Metrics& metrics);
  ~Pending();
  Pending(const Pending&) = delete;
  Pending& operator=(const Pending&) = delete;

  /// The first answer is sent, any other is nothing. From any thread.
  void answer(Reply reply) noexcept;

  const restinio::request_handle_t& handle() const { return handle_; }

  Request request;

private:
  void send(Reply reply);
  template <class Output> restinio::response_builder_t<Output> start(const Reply& reply);

  restinio::request_handle_t handle_;
  std::shared_ptr<Owed> owed_;
  domain::Log& log_;
  domain::Metrics& metrics_;
  std::atomic<bool> answered_{false};
};

} // namespace regroup::http
