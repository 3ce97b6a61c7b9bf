#pragma once
#include "db/schema/schema.hpp"
#include "db/session.hpp"
#include "domain/job.hpp"
#include "domain/log.hpp"
#include "domain/metrics.hpp"

#include <functional>
#include <memory>
#include <typeindex>
#include <typeinfo>
#include <unordered_map>
#include <utility>

namespace regroup::db {

/// What a store gives its jobs. All of it outlives them.
struct Tools {
  Session& session;
  const SchemaFacts& facts;
  domain::Log& log;
  domain::Metrics& metrics;
};

/// The function that runs each kind of job. A function takes the question, returns what the
/// question names as its answer, and throws NotKept. What it refers to outlives it.
class JobTable {
public:
  /// `again`: an earlier attempt may have done it.
  using Run = std::function<Task<domain::Answer>(const Tools&, const domain::Job&, bool again)>;

  template <class Asked>
  void add(Task<domain::Result<typename Asked::Answer>> (*job)(Session&, const Asked&)) {
    put<Asked>([job](const Tools& tools, const domain::Job& asked, bool) -> Task<domain::Answer> {
      co_return co_await job(tools.session, asked.get<Asked>());
    });
  }

  template <class Asked>
  void add(Task<domain::Result<typename Asked::Answer>> (*job)(const Tools&, const Asked&)) {
    put<Asked>([job](const Tools& tools, const domain::Job& asked, bool) -> Task<domain::Answer> {
      co_return co_await job(tools, asked.get<Asked>());
    });
  }

  /// A job that answers differently if an earlier attempt may have done it.
  template <class Asked>
  void add(Task<domain::Result<typename Asked::Answer>> (*job)(Session&, const Asked&,
                                                               bool again)) {
    put<Asked>(
        [job](const Tools& tools, const domain::Job& asked, bool again) -> Task<domain::Answer> {
          co_return co_await job(tools.session, asked.get<Asked>(), again);
        });
  }

  /// An operation, or its settlement: these answer for each other. Throws ConnectionLost
  /// (settlement.hpp) instead of NotKept.
  template <class Asked>
  void add(Task<domain::Answer> (*job)(const Tools&, std::shared_ptr<const Asked>)) {
    put<Asked>([job](const Tools& tools, const domain::Job& asked, bool) {
      return job(tools, asked.shared<Asked>());
    });
  }

  /// Throws std::logic_error if there is none.
  const Run& of(const domain::Job& job) const;

private:
  template <domain::Question Asked> void put(Run run) { put(typeid(Asked), std::move(run)); }
  void put(const std::type_info& question, Run run);

  std::unordered_map<std::type_index, Run> runs_;
};

// Each file of jobs adds its own.
void add_administration(JobTable& table);
void add_checks(JobTable& table);
void add_devices(JobTable& table);
void add_events(JobTable& table);
void add_group_devices(JobTable& table);
void add_listings(JobTable& table);
void add_migration(JobTable& table);
void add_plan(JobTable& table);
void add_progress(JobTable& table);
void add_recall(JobTable& table);
void add_settlement(JobTable& table);
void add_undo(JobTable& table);

JobTable all_jobs();

} // namespace regroup::db
