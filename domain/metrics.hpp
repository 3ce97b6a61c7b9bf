#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace regroup::domain {

/// The port to the replica's metrics. Thread-safe, never throws. Labels come from fixed tables
/// (routes, codes), never from a caller, so their number stays small. This base class records
/// nothing.
class Metrics {
public:
  using Seconds = std::chrono::duration<double>;

  Metrics() = default;
  virtual ~Metrics() = default;
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  /// `route` is empty if no route matched.
  virtual void request_answered(std::string_view /*route*/, std::string_view /*method*/,
                                int /*status*/, Seconds /*took*/) noexcept {}
  virtual void rate_limited() noexcept {}

  enum class MigrationStatus : std::uint8_t { completed, refused, failed };
  /// `reason`: `full`, `partial` or `replayed` when completed, else the code of the contract's
  /// table.
  virtual void migration_ended(MigrationStatus /*status*/, std::string_view /*reason*/) noexcept {}
  /// A migration committed now, `took` after its request arrived.
  virtual void migration_committed(Seconds /*took*/, std::size_t /*devices*/) noexcept {}

  virtual void group_actors(std::size_t /*alive*/) noexcept {}
  virtual void dispatcher(std::size_t /*queued*/, std::size_t /*connections_busy*/) noexcept {}
  virtual void job_waited(Seconds /*in_queue*/) noexcept {}

  enum class Connected : std::uint8_t { first, again, failed };
  virtual void database_connection(Connected /*how*/) noexcept {}
  /// The server was silent for longer than a job may wait.
  virtual void connection_given_up() noexcept {}
  /// The outcome of a COMMIT whose answer was lost.
  enum class Doubt : std::uint8_t { committed, rolled_back, unresolved };
  virtual void doubt_ended(Doubt /*how*/) noexcept {}
  /// Operations that were answered with a 504 and are not settled yet.
  virtual void unsettled(std::size_t /*operations*/) noexcept {}

  /// The kernel did not hand over a connection: no file descriptor, no memory.
  virtual void accept_failed() noexcept {}
  virtual void log_lines_dropped(std::uint64_t /*since_the_start*/) noexcept {}
  /// How many keys of the current JWKS file cannot be used.
  virtual void token_keys_skipped(std::size_t /*keys*/) noexcept {}

  /// All metrics in Prometheus' text format, version 0.0.4.
  virtual std::string exposition() const { return {}; }
};

} // namespace regroup::domain
