#pragma once
#include <functional>

namespace regroup::domain {

/// A few threads for everything that does not block: requests, actors, the database's answers. A
/// task posted by a task stays on its thread, so no other thread needs to be woken.
class EventLoop {
public:
  using Task = std::function<void()>;
  virtual ~EventLoop() = default;

  /// May be called from any thread. A task posted from a thread of the loop runs on that thread,
  /// once the current task has returned. Tasks must not block or throw.
  virtual void post(Task task) = 0;
};

} // namespace regroup::domain
