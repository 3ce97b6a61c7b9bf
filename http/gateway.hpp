#pragma once
#include "domain/command.hpp"
#include "domain/outcome.hpp"

#include <chrono>
#include <functional>

namespace regroup::http {

/// The way from the HTTP handlers to the actors. May be called from any thread; the callbacks come
/// from another one.
class Gateway {
public:
  virtual ~Gateway() = default;

  using Done = std::function<void(const domain::Answer&)>;

  /// A job for the database. `done` is called exactly once: with what the actors said, or with
  /// `timeout` when they have said nothing for as long as `patience`.
  virtual void ask(domain::Job job, std::chrono::milliseconds patience, Done done) = 0;

  /// The same for the key of a caller that is not known yet: in a lane of its own, so that any
  /// number of them leave the database to the others.
  virtual void ask_unproven(domain::CheckApiKey check, std::chrono::milliseconds patience,
                            Done done) {
    ask(std::move(check), patience, std::move(done));
  }

  /// What happens to a migration. `done` or `still_running` is called, exactly once; `ended` is
  /// always called, once, after it.
  struct MigrationCallbacks {
    Done done;                           // the outcome, or `timeout` after `patience`
    std::function<void()> still_running; // no outcome after `async_after`, nor up to now
    Done ended;                          // the outcome, however late, once it is known
  };

  /// A migration, by way of its registration group's actor.
  virtual void migrate(domain::MigrationPtr command, std::chrono::milliseconds async_after,
                       std::chrono::milliseconds patience, MigrationCallbacks callbacks) = 0;
};

} // namespace regroup::http
