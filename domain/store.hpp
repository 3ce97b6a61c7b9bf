#pragma once
#include "domain/command.hpp"
#include "domain/outcome.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <variant>

namespace regroup::domain {

/// What remains of a job that has no connection any more, to be run over another one.
struct Left {
  Job job;              // itself, or the settlement of what is in doubt
  bool doubted = false; // it may have been done once already
};

/// What came of running a job.
using Ran = std::variant<Answer, Left>;

/// The port to the database. One store is one connection, used by one thread at a time, but for
/// end_silence().
class Store {
public:
  virtual ~Store() = default;

  /// Opens the connection; where there is one, asks whether its server still answers, and drops it
  /// when not. Blocks for as long as it may take to connect. Never throws.
  virtual bool connect() noexcept = 0;

  /// Whether there is a connection, as far as is known.
  virtual bool is_connected() const noexcept = 0;

  /// Runs the job over the connection, and opens no other: `Left` when it breaks or there is none.
  /// Blocks for no longer than the database's timeouts allow. Never throws: what goes wrong is a
  /// Refusal, and one of `database_unavailable` says truly that nothing was changed. `doubted`: as
  /// Left has it.
  virtual Ran execute(const Job& job, bool doubted) noexcept = 0;

  /// Sends the job without waiting for anything, and returns the socket that will have its answer.
  /// Nothing: it cannot be done so, and was not begun; execute() can do it. After it come proceed()
  /// and perhaps finish(), and no other job before one of them has answered.
  virtual std::optional<int> begin(const Job& job) noexcept {
    static_cast<void>(job);
    return std::nullopt;
  }

  enum class Came : std::uint8_t {
    not_all,   // ask again when the socket has more
    answer,    // the job is done
    needs_time // finish() is to go on
  };
  struct Progressed {
    Came came = Came::not_all;
    Answer answer;
  };
  /// Takes what has come for the job that was begun. Does not wait.
  virtual Progressed proceed() noexcept { return {}; }

  /// Runs the job that was begun to its end, as execute() does.
  virtual Ran finish() noexcept { return Refusal{.reason = Refused::internal}; }

  /// From any thread, now and then while a job runs: gives the connection up when its server has
  /// said nothing for longer than the job's limits allow. The job then ends as on a connection that
  /// broke.
  virtual void end_silence() noexcept {}

  /// Whether the last connection was given up for its server's silence.
  virtual bool was_silent() const noexcept { return false; }
};

/// Makes the store of one worker. It does not connect yet.
using StoreFactory = std::function<std::unique_ptr<Store>()>;

} // namespace regroup::domain
