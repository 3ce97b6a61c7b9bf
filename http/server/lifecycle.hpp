#pragma once
#include <atomic>
#include <cstdint>

namespace regroup::http {

/// The phase of the service's life, and the number of answers it still owes. Thread-safe.
class Lifecycle {
public:
  enum class Phase : std::uint8_t {
    serving,
    leaving,  // no longer ready, but still serves every request
    draining, // refuses new requests; those under way may finish
  };

  Phase phase() const { return phase_.load(); }
  void enter(Phase phase) { phase_.store(phase); }

  /// Whether the database's functions can be called on a new connection.
  bool calls_work() const { return calls_work_.load(); }
  void set_calls_work(bool work) { calls_work_.store(work); }

  /// Counts a request from the moment it is accepted until its answer was written.
  void accepted() { ++owed_; }
  void answered() { --owed_; }
  std::int64_t owed() const { return owed_.load(); }

private:
  std::atomic<Phase> phase_{Phase::serving};
  std::atomic<bool> calls_work_{true};
  std::atomic<std::int64_t> owed_{0};
};

} // namespace regroup::http
