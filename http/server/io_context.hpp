#pragma once
// The parts of an IoLoop that depend on asio. Separate from io_loop.hpp, so that other users of the
// loop need not include asio.
#include "http/server/io_loop.hpp"

#include <restinio/asio_include.hpp>

#include <cstddef>
#include <memory>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace regroup::http {

struct IoLoop::Io {
  using Context = restinio::asio_ns::io_context;
  using Work = restinio::asio_ns::executor_work_guard<Context::executor_type>;

  /// The hint lets asio skip waking other threads if there is only one.
  explicit Io(std::size_t for_threads) : context(static_cast<int>(for_threads)) {}

  Context context;
  Work work{context.get_executor()};
  std::vector<std::thread> threads;
};

/// An asio executor for the loop's coroutines and sockets (asio, "Executors"): a function that asio
/// runs on a thread of the loop is a turn of its own, or joins the current turn.
class LoopExecutor {
  using Blocking = restinio::asio_ns::execution::blocking_t;

public:
  explicit LoopExecutor(IoLoop& loop) : loop_(&loop) {}

  bool operator==(const LoopExecutor&) const noexcept = default;

  IoLoop::Io::Context& query(restinio::asio_ns::execution::context_t) const noexcept {
    return loop_->io().context;
  }
  Blocking query(Blocking) const noexcept {
    return may_block_ ? Blocking{Blocking::possibly} : Blocking{Blocking::never};
  }
  LoopExecutor require(Blocking::never_t) const noexcept { return {*loop_, false}; }
  LoopExecutor require(Blocking::possibly_t) const noexcept { return {*loop_, true}; }

  template <class Function> void execute(Function&& function) const {
    if (may_block_ && loop_->is_between_turns()) {
      IoLoop::Turn turn{*loop_};
      std::forward<Function>(function)();
      turn.run_posted();
      return;
    }
    // asio's functions are move-only, and a Task has to be copyable.
    auto shared = std::make_shared<std::decay_t<Function>>(std::forward<Function>(function));
    loop_->post([shared] { std::move (*shared)(); });
  }

private:
  LoopExecutor(IoLoop& loop, bool may_block) : loop_(&loop), may_block_(may_block) {}

  IoLoop* loop_;
  bool may_block_ = true;
};

} // namespace regroup::http
