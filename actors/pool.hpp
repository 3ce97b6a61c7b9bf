#pragma once
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

namespace regroup::actors {

/// Tracks which slots of the pool have a connection, which may have a job, and which one may try to
/// connect now. The dispatcher owns it and reports every change; it has no clock.
///
/// One slot at a time tries to connect, and after a failure none does until a growing back-off has
/// passed: a server that is full or away gets the attempts of one pool, not those of each slot.
class Pool {
public:
  using Id = std::uint64_t;
  using Time = std::chrono::steady_clock::time_point;

  static constexpr std::chrono::milliseconds first_pause{50};
  static constexpr std::chrono::milliseconds longest_pause{1000};

  /// Adds a slot without a connection.
  void add(Id place);
  /// Removes a slot whose worker has ended.
  void remove(Id place, Time now);

  /// A slot for a job: of those connected and idle the one that became idle last, since it is warm.
  /// std::nullopt: the job has to wait.
  std::optional<Id> take();
  /// After the job of `place` has ended.
  void put_back(Id place, bool connected);

  /// The slot that shall try to connect now, because jobs wait; std::nullopt: none may.
  std::optional<Id> begin_connecting(Time now);
  /// After an attempt to connect, or a probe (doubt_idle()), has ended.
  void tried(Id place, bool connected, Time now);
  /// When begin_connecting() is worth calling again, if only the back-off is in its way.
  std::optional<Time> next_try(Time now) const;

  /// A server has fallen silent: no idle connection is used again before a probe has shown that its
  /// own server still answers. Returns the slots to probe; tried() reports each result.
  std::vector<Id> doubt_idle();

  /// Whether a waiting job may get a connection without a new one being opened.
  bool has_connection() const;

  std::size_t size() const { return places_.size(); }
  std::size_t busy() const { return count(State::busy); }
  std::size_t idle() const { return idle_.size(); }
  std::size_t without_job() const { return size() - busy(); }
  /// Slots that wait for their server: with a job, a probe, or an attempt to connect.
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
  std::array<std::size_t, 6> counts_{}; // number of slots in each state
  std::vector<Id> idle_;                // the latest at the end
  std::vector<Id> unconnected_;         // here too
  std::chrono::milliseconds pause_{0};
  Time not_before_{};
};

} // namespace regroup::actors
