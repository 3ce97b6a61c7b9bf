#pragma once
#include "domain/outcome.hpp"
#include "domain/uuid.hpp"

#include <chrono>
#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <typeinfo>
#include <utility>
#include <variant>

namespace regroup::domain {

using Deadline = std::chrono::steady_clock::time_point;

struct MigrationCommand;
struct UndoCommand;
struct ChangeGroupDevices;
using MigrationPtr = std::shared_ptr<const MigrationCommand>;
using UndoPtr = std::shared_ptr<const UndoCommand>;
using ChangePtr = std::shared_ptr<const ChangeGroupDevices>;

/// Every job that writes and is not idempotent. Its id is chosen before it starts.
using Operation = std::variant<MigrationPtr, UndoPtr, ChangePtr>;

/// The way that a job takes to the database.
enum class Lane : std::uint8_t {
  pool,
  group,          // through its registration group's actor, then the pool
  health,         // shared with other probes, then the pool
  status,         // a connection of its own: answered however much real work is queued
  administration, // connections of its own: works when the others are stuck
  unproven        // one at a time, for API keys that are not known yet
};

/// What actors and the store must know of a job. The defaults are those of a read.
struct JobTraits {
  Lane lane = Lane::pool;
  bool writes = false;  // if its outcome is lost, it may have changed something
  bool repeats = true;  // after an unknown end it may be sent again, with the same result
  bool probes = false;  // must learn of a silent server at once, not at its deadline
  bool settles = false; // finds out whether an operation has committed
};

/// What a job asks: a struct that names the type of its answer (`using Answer = …`), has a
/// `deadline`, and says what is special about it (`static constexpr JobTraits traits`).
template <class T>
concept Question = requires(const T& question) {
  typename T::Answer;
  { question.deadline } -> std::convertible_to<Deadline>;
};

template <Question Asked>
inline constexpr JobTraits traits_of = [] {
  if constexpr (requires { Asked::traits; })
    return Asked::traits;
  else
    return JobTraits{};
}();

/// One question of any kind, on its way to the database. Cheap to copy; never changes.
class Job {
public:
  Job() = default; // no job: only for a message that is still empty
  template <Question Asked>
  Job(Asked question) : Job(std::make_shared<const Asked>(std::move(question))) {}
  template <Question Asked>
  Job(std::shared_ptr<const Asked> question)
      : question_(std::move(question)), kind_(&kKind<Asked>) {}

  /// Set once, when the request arrived: each of its jobs gets the time that is left.
  Deadline deadline() const { return kind_->deadline(question_.get()); }
  const JobTraits& traits() const { return kind_->traits; }
  /// The operation that the job runs or settles, if any.
  std::optional<Operation> operation() const { return kind_->operation(question_); }

  const std::type_info& type() const { return kind_->type; }
  template <Question Asked> bool is() const { return kind_ == &kKind<Asked>; }
  /// Null if it asks something else.
  template <Question Asked> std::shared_ptr<const Asked> shared() const {
    return is<Asked>() ? std::static_pointer_cast<const Asked>(question_) : nullptr;
  }
  template <Question Asked> const Asked* get_if() const {
    return is<Asked>() ? static_cast<const Asked*>(question_.get()) : nullptr;
  }
  template <Question Asked> const Asked& get() const {
    if (const auto* question = get_if<Asked>())
      return *question;
    throw std::logic_error("the job asks something else");
  }

private:
  struct Kind {
    const std::type_info& type;
    JobTraits traits;
    Deadline (*deadline)(const void* question);
    std::optional<Operation> (*operation)(const std::shared_ptr<const void>& question);
  };

  template <class Asked>
  static std::optional<Operation> operation_of(const std::shared_ptr<const void>& question) {
    if constexpr (std::constructible_from<Operation, std::shared_ptr<const Asked>>)
      return std::static_pointer_cast<const Asked>(question);
    else if constexpr (requires(const Asked& asked) { Operation{asked.operation}; })
      return static_cast<const Asked*>(question.get())->operation;
    else
      return std::nullopt;
  }
  template <class Asked>
  static constexpr Kind kKind{typeid(Asked), traits_of<Asked>,
                              [](const void* question) -> Deadline {
                                return static_cast<const Asked*>(question)->deadline;
                              },
                              &operation_of<Asked>};

  std::shared_ptr<const void> question_;
  const Kind* kind_ = nullptr;
};

/// The refusal for a job whose outcome is unknown: `timeout`, with the operation's id.
Refusal no_outcome(const Job& job);

} // namespace regroup::domain
