#pragma once
#include "domain/event_loop.hpp"

#include <cstddef>
#include <memory>

namespace regroup::http {

/// The threads that the server's connections live on, offered to everybody else who does not wait.
class IoLoop final : public domain::EventLoop {
public:
  explicit IoLoop(std::size_t threads);
  ~IoLoop() override;
  IoLoop(const IoLoop&) = delete;
  IoLoop& operator=(const IoLoop&) = delete;

  void post(Task task) override;
  std::unique_ptr<domain::SocketWatch> watch(int socket) override;

  /// Runs `task` on this thread, which is one of the loop's, and after it what it has posted.
  void run_turn(const Task& task);

  /// Waits for the threads to end. What was posted and has not run never does.
  void stop();

  struct Io; // asio's context: for http/server.cpp
  Io& io() { return *io_; }

private:
  std::unique_ptr<Io> io_;
};

} // namespace regroup::http
