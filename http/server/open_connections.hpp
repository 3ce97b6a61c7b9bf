#pragma once
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <unordered_set>

namespace regroup::http {

/// The open connections, and a limit on their number. RESTinio reports some of them as closed more
/// than once, so they are tracked by id. Thread-safe.
class OpenConnections {
public:
  explicit OpenConnections(std::size_t limit) : limit_(limit) {}

  /// Returns false at the limit.
  bool enter(std::uint64_t id) {
    const std::scoped_lock lock{mutex_};
    return ids_.size() < limit_ && ids_.insert(id).second;
  }

  void leave(std::uint64_t id) {
    const std::scoped_lock lock{mutex_};
    ids_.erase(id);
  }

  std::size_t count() const {
    const std::scoped_lock lock{mutex_};
    return ids_.size();
  }

private:
  std::size_t limit_;
  mutable std::mutex mutex_;
  std::unordered_set<std::uint64_t> ids_;
};

} // namespace regroup::http
