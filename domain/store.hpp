#pragma once
#include "domain/job.hpp"
#include "domain/outcome.hpp"

#include <functional>
#include <memory>
#include <variant>

namespace regroup::domain {

/// What is left of a job that lost its connection, to be run over another one.
struct Left {
  Job job;               // the job itself, or the Settle for one in doubt
  bool doubted = false;  // it may have been done already
  bool was_begun = true; // false: the connection had ended before the job came
};

/// How a job ended, and what state the store's connection is in.
struct Worked {
  std::variant<Answer, Left> ran;
  bool connected = false;
  bool silent = false; // the connection was given up because its server was silent
};

/// The port to the database. One store has one connection, does one thing at a time, and never
/// blocks: it calls `done` once, on a thread of the event loop, when that one thing has ended.
class Store {
public:
  /// A running job goes on to its end.
  virtual ~Store() = default;

  /// Opens the connection. If there is one, asks whether its server still answers, and opens
  /// another if not. Reports whether there is a working connection.
  virtual void connect(std::function<void(bool)> done) noexcept = 0;

  /// Runs the job over the current connection and opens no other: `Left` if it breaks or there is
  /// none. Errors are reported as a Refusal; `database_unavailable` guarantees that nothing was
  /// changed. `doubted`: see Left.
  virtual void run(Job job, bool doubted, std::function<void(Worked)> done) noexcept = 0;

  /// Call it now and then while something runs, from any thread: gives up the connection when its
  /// server has been silent for longer than the job's limits allow. The job then ends as on a
  /// broken connection.
  virtual void end_silence() noexcept {}
};

/// Makes the store of one worker, without connecting.
using StoreFactory = std::function<std::unique_ptr<Store>()>;

} // namespace regroup::domain
