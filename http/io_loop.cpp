#include "http/io_loop.hpp"

#include "http/io_context.hpp"

#include <deque>
#include <utility>

namespace regroup::http {
namespace {

namespace asio = restinio::asio_ns;
using Task = domain::EventLoop::Task;

/// After so many tasks in a row the sockets have their turn.
constexpr int kMostInARow = 256;

/// What runs on this thread now, and what it has posted.
struct Turn {
  const IoLoop* loop;
  std::deque<Task> posted{};
};
thread_local Turn* current_turn = nullptr;

class Watch final : public domain::SocketWatch {
public:
  Watch(IoLoop& loop, int socket) : loop_(loop), descriptor_(loop.io().context, socket) {}
  /// The descriptor is not ours to close.
  ~Watch() override { descriptor_.release(); }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  void when_readable(Task task) override {
    descriptor_.async_wait(asio::posix::descriptor_base::wait_read,
                           [&loop = loop_, task = std::move(task)](const asio::error_code& ended) {
                             if (!ended)
                               loop.run_turn(task);
                           });
  }

private:
  IoLoop& loop_;
  asio::posix::stream_descriptor descriptor_;
};

} // namespace

IoLoop::IoLoop(std::size_t threads) : io_(std::make_unique<Io>(threads)) {
  for (std::size_t each = 0; each < threads; ++each)
    io_->threads.emplace_back([this] { io_->context.run(); });
}

IoLoop::~IoLoop() { stop(); }

void IoLoop::stop() {
  io_->context.stop();
  for (auto& thread : std::exchange(io_->threads, {}))
    thread.join();
}

void IoLoop::post(Task task) {
  if (current_turn != nullptr && current_turn->loop == this)
    current_turn->posted.push_back(std::move(task));
  else
    asio::post(io_->context, [this, task = std::move(task)] { run_turn(task); });
}

void IoLoop::run_turn(const Task& task) {
  if (current_turn != nullptr)
    return task(); // within a turn, which runs what this posts
  Turn turn{this};
  current_turn = &turn;
  task();
  for (int done = 0; !turn.posted.empty() && done < kMostInARow; ++done) {
    const Task next = std::move(turn.posted.front());
    turn.posted.pop_front();
    next();
  }
  current_turn = nullptr;
  for (auto& left : turn.posted)
    post(std::move(left));
}

std::unique_ptr<domain::SocketWatch> IoLoop::watch(int socket) {
  return std::make_unique<Watch>(*this, socket);
}

} // namespace regroup::http
