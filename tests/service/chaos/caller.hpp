#pragma once
#include "tests/service/chaos/cast.hpp"
#include "tests/service/chaos/stage.hpp"

#include <functional>
#include <mutex>
#include <string>
#include <vector>

namespace regroup::chaos {

/// Now, by the clock that PostgreSQL reads as well.
Seconds now();

/// Where every request and its answer is written down. For any number of threads.
class Record {
public:
  void add(Request request);
  /// A copy of what there is so far.
  std::vector<Request> requests() const;
  /// How many there are that the condition holds for.
  std::size_t count(const std::function<bool(const Request&)>& condition) const;

private:
  mutable std::mutex mutex_;
  std::vector<Request> requests_;
};

/// Asks for a migration as one of the group's users; the answer, which the record has too.
Answer ask_to_migrate(Record& record, const Target& target, const Group& group,
                      const domain::Uuid& user, const std::string& idempotency_key = {});

/// Asks what became of a migration, as its initiator.
Answer ask_status(Record& record, const Target& target, Request::Kind kind,
                  const std::string& group, const std::string& user,
                  const std::string& migration_id);

} // namespace regroup::chaos
