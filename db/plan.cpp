// A dry run: what a migration would do, or what would prevent it.
#include "db/codec.hpp"
#include "db/jobs.hpp"
#include "db/migration.hpp"
#include "db/transaction.hpp"
#include "domain/names.hpp"

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <utility>

namespace regroup::db {

using domain::Refused;

namespace {

Parameters parameters_of(const domain::MigrationCommand& command, const std::string& slug,
                         std::int64_t limit) {
  return {command.user_id.text(),
          command.registration_group_id,
          slug,
          command.device_ids ? std::optional{uuid_array_text(*command.device_ids)} : std::nullopt,
          std::to_string(limit),
          domain::name_of(command.require_owner),
          command.into_group ? std::optional{command.authenticated_group_id.text()} : std::nullopt,
          std::to_string(command.link_age.count())};
}

domain::Result<domain::MigrationPlan> plan_from(const Reply& reply,
                                                const domain::MigrationCommand& command,
                                                std::string slug, std::int64_t limit) {
  domain::MigrationPlan plan;
  plan.registration_group_id = command.registration_group_id;
  plan.name = command.group_name;
  plan.slug = std::move(slug);
  const std::string_view outcome = reply.text(0, "outcome");
  if (outcome != "ready")
    plan.obstacle = refusal_of(outcome, reply, command, limit);
  if (plan.obstacle && plan.obstacle->reason == Refused::unauthorized)
    return *plan.obstacle;
  if (command.into_group) {
    // The group's own name and slug, unless another group is in the way (already_migrated).
    const bool is_its_own = !reply.is_null(0, "o_slug");
    plan.authenticated_group_id = command.authenticated_group_id;
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
}

Task<domain::Result<domain::MigrationPlan>> plan(const Tools& tools,
                                                 const domain::PlanMigration& question) {
  const auto& command = *question.migration;
  const std::int64_t limit = std::min(command.max_devices, tools.facts.most_devices);
  const std::string slug = domain::cut_slug(command.slug, tools.facts.slug_width);
  auto parameters = parameters_of(command, slug, limit);
  // The function is STABLE, so PostgreSQL lets it write nothing and there is nothing to roll back.
  const Reply reply =
      co_await run_in_one_trip(tools.session, statements::plan, std::move(parameters));
  co_return decoded(reply,
                    [&](const Reply& found) { return plan_from(found, command, slug, limit); });
}

} // namespace

void add_plan(JobTable& table) { table.add(plan); }

} // namespace regroup::db
