#pragma once
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

namespace regroup::actors {

/// Which places of the pool have a connection, which of them may have a job, and which one may try
/// to connect now. Knows what it is told, and has no clock. Its owner is the dispatcher.
///
/// One place at a time tries to connect, and after a failure none for a while that grows: a server
/// that has no room or is away is asked by the pool, not by each of its places.
class Pool {
public:
  using Id = std::uint64_t;
  using Time = std::chrono::steady_clock::time_point;

  static constexpr std::chrono::milliseconds first_pause{50};
  static constexpr std::chrono::milliseconds longest_pause{1000};

  /// A place that has no connection yet.
  void add(Id place);
  /// A place whose worker has ended.
  void remove(Id place, Time now);

  /// For a job: of the places that are connected and idle the last that became so, since it is
  /// warm. Nothing: the job has to wait.
  std::optional<Id> take();
  /// The job of `place` has ended.
  void put_back(Id place, bool connected);

  /// The place that is to try and connect now, for jobs that wait; nothing: not now.
  std::optional<Id> begin_connecting(Time now);
  /// How such a try, or a proof, has ended.
  void tried(Id place, bool connected, Time now);
  /// When begin_connecting() is worth another call, where it is a matter of time alone.
  std::optional<Time> next_try(Time now) const;

  /// Some server has fallen silent: no idle connection is used again before it has proved that its
  /// own still answers. Those that have to, and tell by tried().
  std::vector<Id> doubt_idle();

  /// Whether a job that waits may get a connection without a try that succeeds.
  bool has_connection() const;

  std::size_t size() const { return places_.size(); }
  std::size_t busy() const { return count(State::busy); }
  std::size_t idle() const { return idle_.size(); }
  std::size_t without_job() const { return size() - busy(); }
  /// Those that wait for their server: with a job, or to connect.
  bool is_waiting(Id place) const {
    const State state = places_.at(place);
    return state != State::idle && state != State::unconnected;
  }
  std::size_t waiting() const { return size() - count(State::idle) - count(State::unconnected); }
  bool is_busy(Id place) const { return places_.at(place) == State::busy; }

private:
  enum class State : std::uint8_t { gone, unconnected, connecting, idle, proving, busy };

  std::size_t count(State state) const { return counts_[static_cast<std::size_t>(state)]; }
  void set(Id place, State state);
  void failed(Time now);

  std::unordered_map<Id, State> places_;
  std::array<std::size_t, 6> counts_{}; // of places, by their state
  std::vector<Id> idle_;                // the last one that became so at the end,
  std::vector<Id> unconnected_;         // of these as well
  std::chrono::milliseconds pause_{0};
  Time not_before_{};
};

} // namespace regroup::actors
