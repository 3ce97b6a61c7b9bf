#pragma once
#include <functional>
#include <memory>

namespace regroup::domain {

/// A socket that somebody waits for without a thread. Used by one thread at a time. After its end
/// nothing is run any more that had not begun. The socket's owner may close it meanwhile; until the
/// watch has ended the peer does not see that.
class SocketWatch {
public:
  virtual ~SocketWatch() = default;

  /// Runs `task` once, on a thread of the loop, when the socket has something to read or has
  /// broken. Not again before that has come.
  virtual void when_readable(std::function<void()> task) = 0;
};

/// A few threads for everything that does not wait: requests, actors, the database's answers. What
/// one thing hands to the next stays on its thread, so nobody has to be woken for it.
class EventLoop {
public:
  using Task = std::function<void()>;
  virtual ~EventLoop() = default;

  /// From any thread. Posted from a thread of the loop, the task runs on that thread when what runs
  /// now has returned. Tasks do not block and do not throw.
  virtual void post(Task task) = 0;

  /// Throws std::system_error when the socket cannot be watched.
  virtual std::unique_ptr<SocketWatch> watch(int socket) = 0;
};

} // namespace regroup::domain
