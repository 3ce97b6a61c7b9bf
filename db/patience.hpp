#pragma once
#include "db/file_descriptor.hpp"
#include "domain/command.hpp"

#include <chrono>
#include <mutex>

namespace regroup::db {

/// Limits how long a session waits for its server. The kernel of a server whose processes were
/// stopped goes on acknowledging what it receives, so neither TCP nor the timeouts that the server
/// itself was given end the wait. The worker calls end_if_over() now and then; it shuts the socket
/// down, and the wait ends as on a broken connection.
class Patience {
public:
  using Clock = std::chrono::steady_clock;

  /// Allowance for a busy server, network or machine.
  static constexpr std::chrono::seconds margin{2};

  /// `trip`: how long a working server may take to answer what is sent in one round trip.
  explicit Patience(std::chrono::milliseconds trip) : trip_(trip) {}

  /// For the next job: a wait lasts no longer than until `deadline`, nor longer than `at_most`,
  /// plus the margin.
  void allow(domain::Deadline deadline, std::chrono::milliseconds at_most);
  void allow(domain::Deadline deadline) { allow(deadline, trip_); }

  /// The socket of the connection that is used from here on, until forget(). libpq owns that
  /// descriptor and closes it when it reads the end of the connection, so this watches a duplicate.
  /// Throws std::system_error if it cannot be duplicated.
  void watch(int socket);
  void forget() noexcept;
  /// The duplicate, until forget().
  int socket() const;

  void begin() noexcept;
  void end() noexcept;

  /// From any thread. Ends the wait if it is over its limit, or in any case if `outdated` (the
  /// server was replaced by another). Returns whether it ended a wait.
  bool end_if_over(bool outdated) noexcept;

  /// Whether the connection that was watched last was given up because its server was silent.
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
  domain::Deadline deadline_ = domain::Deadline::max(); // these two: the current job's
  std::chrono::milliseconds at_most_ = trip_;
  mutable std::mutex mutex_;
  FileDescriptor socket_;
  Clock::time_point over_ = Clock::time_point::max();
  bool silent_ = false;
};

} // namespace regroup::db
