#pragma once
#include "db/errors.hpp"

#include <asio/awaitable.hpp>

#include <utility>
#include <variant>

namespace regroup::db {

/// What runs on the event loop and gives its thread back where it waits (asio, "C++20 Coroutines
/// Support").
template <class T> using Task = asio::awaitable<T>;

/// What the task returned, or why its transaction was not kept: a coroutine cannot wait inside a
/// catch. Anything else that it throws is thrown on.
template <class T> Task<std::variant<T, NotKept>> outcome_of(Task<T> task) {
  try {
    co_return co_await std::move(task);
  } catch (const NotKept& why) {
    co_return why;
  }
}

} // namespace regroup::db
