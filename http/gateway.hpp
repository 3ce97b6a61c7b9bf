#pragma once
#include "domain/command.hpp"
#include "domain/outcome.hpp"

#include <chrono>
#include <functional>

namespace regroup::http {

/// The way from the HTTP handlers to the actors. May be called from any thread; the callbacks come
/// from another one. What a callback throws is logged and goes no further.
class Gateway {
public:
  virtual ~Gateway() = default;

  using Done = std::function<void(const domain::Answer&)>;

  /// A job for the database. `done` is called exactly once: with what the actors said, or with
  /// `timeout` when they have said nothing up to the job's deadline.
  virtual void ask(domain::Job job, Done done) = 0;

  /// The same for the key of a caller that is not known yet: in a lane of its own, so that any
  /// number of them leave the database to the others.
  virtual void ask_unproven(domain::CheckApiKey check, Done done) {
    ask(std::move(check), std::move(done));
  }

  /// What happens to a migration. `done` or `still_running` is called, exactly once, and so is
  /// `ended`: before `done` where that tells the outcome, after it where it came too late.
  struct MigrationCallbacks {
    Done done;                           // the outcome, or `timeout` at the deadline
    std::function<void()> still_running; // no outcome after `async_after`, nor up to now
    Done ended;                          // the outcome, however late, once it is known
  };

  /// A migration, by way of its registration group's actor.
  virtual void migrate(domain::MigrationPtr command, std::chrono::milliseconds async_after,
                       MigrationCallbacks callbacks) = 0;
};

} // namespace regroup::http
