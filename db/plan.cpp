#include "db/plan.hpp"

#include "db/codec.hpp"
#include "db/migration.hpp"
#include "db/one_trip.hpp"
#include "domain/names.hpp"

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <utility>

namespace regroup::db {

using domain::Answer;
using domain::Refused;

Answer plan(Session& session, const SchemaFacts& facts, const domain::MigrationCommand& command) {
  std::optional<std::string> device_ids;
  if (command.device_ids)
    device_ids = uuid_array_text(*command.device_ids);
  std::optional<std::string> into;
  if (command.into_group)
    into = command.authenticated_group_id.text();
  domain::MigrationPlan plan;
  plan.registration_group_id = command.registration_group_id;
  plan.name = command.group_name;
  plan.slug = domain::cut_slug(command.slug, facts.slug_width);

  const std::int64_t limit = std::min(command.max_devices, facts.most_devices);
  // A STABLE function: PostgreSQL lets it write nothing, so there is nothing to roll back.
  return run_in_one_trip(session, statements::plan,
                         {command.user_id.text(), command.registration_group_id, plan.slug,
                          std::move(device_ids), std::to_string(limit),
                          domain::name_of(command.require_owner), std::move(into),
                          std::to_string(command.link_age.count())},
                         [&](const Reply& reply) -> Answer {
                           const std::string_view outcome = reply.text(0, "outcome");
                           if (outcome != "ready")
                             plan.obstacle = refusal_of(outcome, reply, command, limit);
                           if (plan.obstacle && plan.obstacle->reason == Refused::unauthorized)
                             return *plan.obstacle;
                           if (command.into_group) {
                             plan.authenticated_group_id = command.authenticated_group_id;
                             // That group's, unless another is in the way (already_migrated).
                             const bool is_its_own = !reply.is_null(0, "o_slug");
                             plan.name = is_its_own ? reply.text(0, "o_name") : "";
                             plan.slug = is_its_own ? reply.text(0, "o_slug") : "";
                           }
                           if (!reply.is_null(0, "o_to_migrate")) {
                             plan.devices_to_migrate = reply.number(0, "o_to_migrate");
                             plan.device_ids = uuid_array(reply.text(0, "o_device_ids"));
                             plan.devices_remaining = reply.number(0, "o_remaining");
                             plan.ignored_device_ids = uuid_array(reply.text(0, "o_ignored"));
                           }
                           return plan;
                         });
}

} // namespace regroup::db
