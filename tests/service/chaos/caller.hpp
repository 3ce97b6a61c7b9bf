#pragma once
#include "tests/service/chaos/cast.hpp"
#include "tests/service/chaos/stage.hpp"

#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace regroup::chaos {

/// Now, by the clock that PostgreSQL reads as well.
Seconds now();

/// Where every request and its answer is written down. For any number of threads.
class Record {
public:
  /// The request is sent now. finish() tells that it was answered, or will never be.
  void begin(Request& request);
  void finish(Request request);
  /// A copy of what there is so far.
  std::vector<Request> requests() const;
  /// How many there are that the condition holds for.
  std::size_t count(const std::function<bool(const Request&)>& condition) const;
  /// Whether all that was asked before that moment has come to its end.
  bool is_answered(Seconds before) const;

private:
  mutable std::mutex mutex_;
  std::vector<Request> requests_;
  std::multiset<Seconds> open_; // when they began
};

/// Asks for a migration as one of the group's users; the answer, which the record has too.
Answer ask_to_migrate(Record& record, const Target& target, const Group& group,
                      const domain::Uuid& user, const std::string& idempotency_key = {});

/// Asks to undo the migration that made the authenticated group, as the group's first user.
Answer ask_to_undo(Record& record, const Target& target, const Group& group,
                   const std::string& authenticated_group, const std::string& idempotency_key = {});

/// Asks to put devices into the authenticated group or to take them out, as the group's first user:
/// one by its own route, more of them together.
Answer ask_to_change(Record& record, const Target& target, const Group& group,
                     const std::string& authenticated_group, const std::string& action,
                     const std::vector<std::string>& devices,
                     const std::string& idempotency_key = {});

/// An id that a caller was given, and whom it was given to.
struct Given {
  Request::Kind about;
  std::string group, user, id;
  auto operator<=>(const Given&) const = default;
};

/// Asks what became of it, as the caller who was given it.
Answer ask_status(Record& record, const Target& target, Request::Kind kind, const Given& given);

} // namespace regroup::chaos
