#pragma once
#include "domain/event_loop.hpp"
#include "domain/log.hpp"

#include <cstddef>
#include <memory>
#include <vector>

namespace regroup::http {

/// The threads that serve the connections. Other code that does not block may use them too.
class IoLoop final : public domain::EventLoop {
public:
  /// `log` outlives the loop. An exception from a task is logged, and its thread goes on.
  IoLoop(std::size_t threads, domain::Log& log);
  ~IoLoop() override;
  IoLoop(const IoLoop&) = delete;
  IoLoop& operator=(const IoLoop&) = delete;

  void post(Task task) override;
  /// Whether this thread is one of the loop's, between two turns.
  bool is_between_turns() const;

  /// What a thread of the loop does between two polls of its sockets: a function that asio called,
  /// and then the tasks that it posted.
  class Turn {
  public:
    explicit Turn(IoLoop& loop);
    /// Posts the tasks that did not run, for a later turn.
    ~Turn();
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

    /// Runs the posted tasks. Does nothing within an outer turn, which will run them.
    void run_posted();

  private:
    friend class IoLoop;

    IoLoop& loop_;
    Turn* outer_;
    std::vector<Task> posted_;
    std::size_t next_ = 0;
  };

  /// Waits for the threads to end. After stop() no queued task runs.
  void stop();

  struct Io; // holds asio's context, which http/server/server.cpp needs
  Io& io() { return *io_; }

private:
  void run_thread() noexcept;

  domain::Log& log_;
  std::unique_ptr<Io> io_;
};

} // namespace regroup::http
