#pragma once
#include <atomic>
#include <cstdint>

namespace regroup::http {

/// Where the service is in its life, and how many answers it still owes. Thread-safe.
class Lifecycle {
public:
  enum class Phase : std::uint8_t {
    serving,
    leaving,  // not ready any more, but every request is still served
    draining, // new requests are refused; what runs may finish
  };

  Phase phase() const { return phase_.load(); }
  void enter(Phase phase) { phase_.store(phase); }

  /// Whether the database's functions can be called on a new connection.
  bool calls_work() const { return calls_work_.load(); }
  void set_calls_work(bool work) { calls_work_.store(work); }

  /// From the moment that a request is accepted until its answer was written.
  void accepted() { ++owed_; }
  void answered() { --owed_; }
  std::int64_t owed() const { return owed_.load(); }

private:
  std::atomic<Phase> phase_{Phase::serving};
  std::atomic<bool> calls_work_{true};
  std::atomic<std::int64_t> owed_{0};
};

} // namespace regroup::http
