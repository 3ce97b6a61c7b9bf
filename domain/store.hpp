#pragma once
#include "domain/command.hpp"
#include "domain/outcome.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

namespace regroup::domain {

/// The port to the database. One store is one connection, used by one thread at a time.
class Store {
public:
  virtual ~Store() = default;

  /// Runs the job to its end, and blocks for no longer than the database's timeouts allow. Never
  /// throws: what goes wrong is a Refusal, and one of `database_unavailable` says truly that
  /// nothing was changed.
  virtual Answer execute(const Job& job) noexcept = 0;

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
  virtual Answer finish() noexcept { return Refusal{.reason = Refused::internal}; }
};

/// Makes the store of one worker. It does not connect yet.
using StoreFactory = std::function<std::unique_ptr<Store>()>;

} // namespace regroup::domain
