#pragma once
#include "domain/command.hpp"
#include "domain/outcome.hpp"

#include <functional>
#include <memory>

namespace regroup::domain {

/// The port to the database. One store is one connection, used by one thread at a time; each
/// call blocks for no longer than the database's timeouts allow.
class Store {
public:
  virtual ~Store() = default;

  /// Runs the job to its end. Never throws: what goes wrong is a Refusal, and one of
  /// `database_unavailable` says truly that nothing was changed.
  virtual Answer execute(const Job& job) noexcept = 0;
};

/// Makes the store of one worker. It does not connect yet.
using StoreFactory = std::function<std::unique_ptr<Store>()>;

} // namespace regroup::domain
