#pragma once
// What an IoLoop is made of: apart from io_loop.hpp, so that who uses the loop need not read asio.
#include "http/io_loop.hpp"

#include <restinio/asio_include.hpp>

#include <cstddef>
#include <thread>
#include <vector>

namespace regroup::http {

struct IoLoop::Io {
  using Context = restinio::asio_ns::io_context;
  using Work = restinio::asio_ns::executor_work_guard<Context::executor_type>;

  /// asio need not think of waking others where there is one thread.
  explicit Io(std::size_t for_threads) : context(static_cast<int>(for_threads)) {}

  Context context;
  Work work{context.get_executor()};
  std::vector<std::thread> threads;
};

} // namespace regroup::http
