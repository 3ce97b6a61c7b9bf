#pragma once
#include "domain/event_loop.hpp"
#include "domain/log.hpp"

#include <cstddef>
#include <memory>
#include <vector>

namespace regroup::http {

/// The threads that the server's connections live on, offered to everybody else who does not wait.
class IoLoop final : public domain::EventLoop {
public:
  /// `log` outlives the loop. What a task throws is logged, and its thread goes on.
  IoLoop(std::size_t threads, domain::Log& log);
  ~IoLoop() override;
  IoLoop(const IoLoop&) = delete;
  IoLoop& operator=(const IoLoop&) = delete;

  void post(Task task) override;
  /// Whether this thread is one of the loop's, between two turns.
  bool is_between_turns() const;

  /// What a thread of the loop does between two looks at its sockets: something that asio called,
  /// and then what that posted.
  class Turn {
  public:
    explicit Turn(IoLoop& loop);
    /// Leaves to a later turn what was not run.
    ~Turn();
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

    /// Nothing within another turn, which does it then.
    void run_posted();

  private:
    friend class IoLoop;

    IoLoop& loop_;
    Turn* outer_;
    std::vector<Task> posted_;
    std::size_t next_ = 0;
  };

  /// Waits for the threads to end. What was posted and has not run never does.
  void stop();

  struct Io; // asio's context: for http/server.cpp
  Io& io() { return *io_; }

private:
  void run_thread() noexcept;

  domain::Log& log_;
  std::unique_ptr<Io> io_;
};

} // namespace regroup::http
