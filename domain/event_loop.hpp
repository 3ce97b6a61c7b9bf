#pragma once
#include <functional>

namespace regroup::domain {

/// A few threads for everything that does not wait: requests, actors, the database's answers. What
/// one thing hands to the next stays on its thread, so nobody has to be woken for it.
class EventLoop {
public:
  using Task = std::function<void()>;
  virtual ~EventLoop() = default;

  /// From any thread. Posted from a thread of the loop, the task runs on that thread when what runs
  /// now has returned. Tasks do not block and do not throw.
  virtual void post(Task task) = 0;
};

} // namespace regroup::domain
