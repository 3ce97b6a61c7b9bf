#pragma once
#include "db/errors.hpp"

#include <asio/awaitable.hpp>

#include <utility>
#include <variant>

namespace regroup::db {

/// A coroutine on the event loop; it gives its thread back while it waits (asio, "C++20 Coroutines
/// Support").
template <class T> using Task = asio::awaitable<T>;

/// What the task returned, or why its transaction was not kept: a coroutine cannot wait inside a
/// catch block. Any other exception is rethrown.
template <class T> Task<std::variant<T, NotKept>> outcome_of(Task<T> task) {
  try {
    co_return co_await std::move(task);
  } catch (const NotKept& why) {
    co_return why;
  }
}

} // namespace regroup::db
