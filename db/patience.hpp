#pragma once
#include "db/file_descriptor.hpp"
#include "domain/command.hpp"

#include <chrono>
#include <mutex>

namespace regroup::db {

/// How long a session waits for its server, and the end of that wait. A server that was stopped
/// goes on acknowledging what it is sent, by its kernel, so nothing else ends it: neither TCP nor
/// the timeouts that the server itself was told. Some other thread calls end_if_over() now and
/// then; it shuts the socket, and the wait ends as on a connection that broke.
class Patience {
public:
  using Clock = std::chrono::steady_clock;

  /// For a server, a network and a machine that are busy.
  static constexpr std::chrono::seconds margin{2};

  /// `trip`: how long a server that works may take for its answer to what is sent at once.
  explicit Patience(std::chrono::milliseconds trip) : trip_(trip) {}

  /// For a job: no wait lasts longer than to its deadline, nor than `at_most`, and a margin.
  void allow(domain::Deadline deadline, std::chrono::milliseconds at_most);
  void allow(domain::Deadline deadline) { allow(deadline, trip_); }

  /// Of the connection that is used from here on; until forget(). The number is libpq's, who closes
  /// it when it reads the end of the connection; it is watched under another one. Throws
  /// std::system_error when there is none to be had.
  void watch(int socket);
  void forget() noexcept;
  /// That other number, until forget().
  int socket() const;

  void begin() noexcept;
  void end() noexcept;

  /// From any thread. `outdated`: whatever the limits are, the server was replaced by another one.
  /// Whether a wait was ended by it.
  bool end_if_over(bool outdated) noexcept;

  /// Whether the connection that was watched last was given up because the server was silent.
  bool was_silent() const noexcept;

  class Wait {
  public:
    explicit Wait(Patience& patience) : patience_(patience) { patience_.begin(); }
    ~Wait() { patience_.end(); }
    Wait(const Wait&) = delete;
    Wait& operator=(const Wait&) = delete;

  private:
    Patience& patience_;
  };

private:
  const std::chrono::milliseconds trip_;
  domain::Deadline deadline_ = domain::Deadline::max(); // these two are the session's thread's own
  std::chrono::milliseconds at_most_ = trip_;
  mutable std::mutex mutex_;
  FileDescriptor socket_;
  Clock::time_point over_ = Clock::time_point::max();
  bool silent_ = false;
};

} // namespace regroup::db
