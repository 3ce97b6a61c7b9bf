#include "http/server/io_loop.hpp"

#include "http/server/io_context.hpp"

#include <exception>
#include <string_view>
#include <utility>
#include <vector>

namespace regroup::http {
namespace {

namespace asio = restinio::asio_ns;
using Task = domain::EventLoop::Task;

/// After this many tasks in a row the thread polls its sockets.
constexpr int kMostInARow = 256;

thread_local const IoLoop* loop_of_thread = nullptr;
thread_local IoLoop::Turn* current_turn = nullptr;
thread_local std::vector<Task> spare_room; // the last turn's vector, for its capacity

} // namespace

IoLoop::IoLoop(std::size_t threads, domain::Log& log)
    : log_(log), io_(std::make_unique<Io>(threads)) {
  for (std::size_t each = 0; each < threads; ++each)
    io_->threads.emplace_back([this] { run_thread(); });
}

void IoLoop::run_thread() noexcept {
  loop_of_thread = this;
  const auto log_failure = [this](const char* what) {
    log_.event(domain::LogLevel::error, "loop.task_failed", {{"error", std::string_view{what}}});
  };
  for (;;) {
    try {
      io_->context.run();
      return;
    } catch (const std::exception& why) {
      log_failure(why.what());
    } catch (...) {
      log_failure("of no known type");
    }
  }
}

IoLoop::~IoLoop() { stop(); }

void IoLoop::stop() {
  io_->context.stop();
  for (auto& thread : std::exchange(io_->threads, {}))
    thread.join();
}

void IoLoop::post(Task task) {
  if (current_turn != nullptr && &current_turn->loop_ == this)
    current_turn->posted_.push_back(std::move(task));
  else
    asio::post(io_->context, [this, task = std::move(task)] {
      Turn turn{*this};
      task();
      turn.run_posted();
    });
}

IoLoop::Turn::Turn(IoLoop& loop)
    : loop_(loop), outer_(std::exchange(current_turn, this)),
      posted_(std::exchange(spare_room, {})) {}

IoLoop::Turn::~Turn() {
  current_turn = outer_;
  for (; next_ < posted_.size(); ++next_)
    loop_.post(std::move(posted_[next_]));
  posted_.clear();
  spare_room = std::move(posted_);
}

void IoLoop::Turn::run_posted() {
  if (outer_ != nullptr && &outer_->loop_ == &loop_)
    return;
  for (int done = 0; next_ < posted_.size() && done < kMostInARow; ++done) {
    const Task task = std::move(posted_[next_++]); // it may post, which may move the others
    task();
  }
}

bool IoLoop::is_between_turns() const { return current_turn == nullptr && loop_of_thread == this; }

} // namespace regroup::http
