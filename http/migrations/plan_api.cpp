// POST /api/v1/groups/migrate?dry_run=true
#include "http/api.hpp"
#include "http/replies.hpp"

namespace regroup::http {

void Api::rehearse(const domain::MigrationPtr& command, const Respond& respond) {
  parts_.gateway.ask(domain::PlanMigration{command, command->deadline},
                     answer_with<domain::MigrationPlan>(respond, kRetryReadAfter,
                                                        [](const domain::MigrationPlan& plan) {
                                                          Reply reply = ok(plan);
                                                          reply.outcome = "rehearsed";
                                                          return reply;
                                                        }));
}

} // namespace regroup::http
