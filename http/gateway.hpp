#pragma once
#include "domain/admin.hpp"
#include "domain/command.hpp"
#include "domain/job.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <utility>

namespace regroup::http {

/// The interface from the HTTP handlers to the actors. May be called from any thread; the callbacks
/// run on another one. An exception from a callback is logged and goes no further.
class Gateway {
public:
  virtual ~Gateway() = default;

  /// Asks the database. Calls `done` exactly once with a domain::Result of the question's answer:
  /// the actors' answer, or `timeout` if there is none by the question's deadline. `lane`: instead
  /// of the question's own.
  template <domain::Question Asked, class Done>
  void ask(std::shared_ptr<const Asked> question, Done done,
           domain::Lane lane = domain::traits_of<Asked>.lane) {
    run(std::move(question), lane, [done = std::move(done)](const domain::Answer& answer) mutable {
      done(domain::Result<typename Asked::Answer>{answer});
    });
  }
  template <domain::Question Asked, class Done>
  void ask(Asked question, Done done, domain::Lane lane = domain::traits_of<Asked>.lane) {
    ask(std::make_shared<const Asked>(std::move(question)), std::move(done), lane);
  }

  using MigrationResult = domain::Result<domain::MigrationCompleted>;

  /// Either `done` or `still_running` is called, exactly once. `ended` is also called exactly once:
  /// before `done` if that reports the outcome, after it if the outcome came too late.
  struct MigrationCallbacks {
    std::function<void(const MigrationResult&)> done; // the outcome, or `timeout` at the deadline
    std::function<void()> still_running;              // `async_after` has passed without an outcome
    std::function<void(const MigrationResult&)> ended; // the outcome once it is known, however late
  };

  /// Runs a migration through its registration group's actor.
  virtual void migrate(domain::MigrationPtr command, std::chrono::milliseconds async_after,
                       MigrationCallbacks callbacks) = 0;

  /// A job of any kind; otherwise as ask().
  using Answered = std::function<void(const domain::Answer&)>;
  virtual void run(domain::Job job, domain::Lane lane, Answered done) = 0;
};

} // namespace regroup::http
