#pragma once
#include "domain/command.hpp"
#include "domain/outcome.hpp"

#include <functional>
#include <memory>
#include <variant>

namespace regroup::domain {

/// What remains of a job that has no connection any more, to be run over another one.
struct Left {
  Job job;              // itself, or the settlement of what is in doubt
  bool doubted = false; // it may have been done once already
};

/// How a job has ended, and with what connection its store is left.
struct Worked {
  std::variant<Answer, Left> ran;
  bool connected = false;
  bool silent = false; // its server said nothing, and the connection was given up
};

/// The port to the database. One store is one connection. It does one thing at a time, and waits
/// for nothing: `done` is called once, when that has ended, on a thread of the event loop.
class Store {
public:
  /// A job that is under way goes on to its end.
  virtual ~Store() = default;

  /// Opens the connection; where there is one, asks whether its server still answers, and opens
  /// another when not. Whether there is one then.
  virtual void connect(std::function<void(bool)> done) noexcept = 0;

  /// Runs the job over the connection, and opens no other: `Left` when it breaks or there is none.
  /// What goes wrong is a Refusal, and one of `database_unavailable` says truly that nothing was
  /// changed. `doubted`: as Left has it.
  virtual void run(Job job, bool doubted, std::function<void(Worked)> done) noexcept = 0;

  /// From any thread, now and then while something is under way: gives the connection up when its
  /// server has said nothing for longer than the job's limits allow. The job then ends as on a
  /// connection that broke.
  virtual void end_silence() noexcept {}
};

/// Makes the store of one worker. It does not connect yet.
using StoreFactory = std::function<std::unique_ptr<Store>()>;

} // namespace regroup::domain
