#include "db/jobs.hpp"

#include <stdexcept>
#include <string>

namespace regroup::db {

const JobTable::Run& JobTable::of(const domain::Job& job) const {
  const auto found = runs_.find(job.type());
  if (found == runs_.end())
    throw std::logic_error(std::string{"no job for "} + job.type().name());
  return found->second;
}

void JobTable::put(const std::type_info& question, Run run) {
  if (!runs_.emplace(question, std::move(run)).second)
    throw std::logic_error(std::string{"two jobs for "} + question.name());
}

JobTable all_jobs() {
  JobTable table;
  add_administration(table);
  add_checks(table);
  add_devices(table);
  add_events(table);
  add_group_devices(table);
  add_listings(table);
  add_migration(table);
  add_plan(table);
  add_progress(table);
  add_recall(table);
  add_settlement(table);
  add_undo(table);
  return table;
}

} // namespace regroup::db
