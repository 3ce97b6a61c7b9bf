#pragma once
#include "domain/command.hpp"
#include "domain/outcome.hpp"

#include <chrono>
#include <functional>

namespace regroup::http {

/// The interface from the HTTP handlers to the actors. May be called from any thread; the callbacks
/// run on another one. An exception from a callback is logged and goes no further.
class Gateway {
public:
  virtual ~Gateway() = default;

  using Done = std::function<void(const domain::Answer&)>;

  /// Runs a job in the database. Calls `done` exactly once: with the actors' answer, or with
  /// `timeout` if there is none by the job's deadline.
  virtual void ask(domain::Job job, Done done) = 0;

  /// The same for an API key that is not known yet. It uses a lane of its own, so that any number
  /// of unknown keys leave the database to the other callers.
  virtual void ask_unproven(domain::CheckApiKey check, Done done) {
    ask(std::move(check), std::move(done));
  }

  /// Either `done` or `still_running` is called, exactly once. `ended` is also called exactly once:
  /// before `done` if that reports the outcome, after it if the outcome came too late.
  struct MigrationCallbacks {
    Done done;                           // the outcome, or `timeout` at the deadline
    std::function<void()> still_running; // `async_after` has passed without an outcome
    Done ended;                          // the outcome once it is known, however late
  };

  /// Runs a migration through its registration group's actor.
  virtual void migrate(domain::MigrationPtr command, std::chrono::milliseconds async_after,
                       MigrationCallbacks callbacks) = 0;
};

} // namespace regroup::http
