#include "db/connector.hpp"

#include <asio/co_spawn.hpp>
#include <asio/use_awaitable.hpp>

#include <utility>

namespace regroup::db {
namespace {

Task<void> call(std::function<void()> open, std::atomic<int>* busy) {
  ++*busy;
  try {
    open();
  } catch (...) {
    --*busy;
    throw;
  }
  --*busy;
  co_return;
}

} // namespace

Connector::Connector(asio::any_io_executor loop) : loop_(std::move(loop)) {}

Connector::~Connector() { thread_.join(); }

Task<void> Connector::run(std::function<void()> open) {
  auto opening = call(std::move(open), &busy_);
  co_await asio::co_spawn(thread_, std::move(opening), asio::use_awaitable);
}

} // namespace regroup::db
