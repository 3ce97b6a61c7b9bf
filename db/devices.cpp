// Registering devices, and finding them. A registration whose end is unknown may be sent again.
#include "db/devices.hpp"

#include "db/callers.hpp"
#include "db/codec.hpp"
#include "db/jobs.hpp"
#include "db/outcomes.hpp"
#include "db/transaction.hpp"
#include "domain/command.hpp"

#include <string_view>
#include <utility>

namespace regroup::db {
namespace {

using domain::Refusal;
using domain::Refused;
using domain::Result;

domain::GroupDevice device_from(const Row& row) {
  domain::GroupDevice device;
  device.device_id = uuid(row.text("device_id"));
  device.display_name = row.text("display_name");
  device.platform = row.text("platform");
  device.owner_user_id = optional_uuid(row, "owner_user_id");
  device.active = row.flag("active");
  device.added_at = row.text("added_at");
  device.last_seen_at = optional_text(row, "last_seen_at");
  return device;
}

Refusal refusal_about(const domain::RegisterDevice& command, Refused reason, const Reply& reply) {
  Refusal refusal{.reason = reason};
  if (reason == Refused::device_linked) {
    refusal.device_id = command.device_id;
  } else if (reason == Refused::group_name_exists) { // the registration group's string
    refusal.group_name = command.registration_group_id;
  } else if (reason == Refused::already_migrated) {
    refusal.registration_group_id = command.registration_group_id;
    refusal.authenticated_group_id = optional_uuid(reply, 0, "o_authenticated_group_id");
    refusal.migration_id = optional_uuid(reply, 0, "o_migration_id");
    refusal.group_name = optional_text(reply.row(0), "o_name");
  }
  return refusal;
}

Result<domain::DeviceRegistered> registered_from(const Reply& reply,
                                                 const domain::RegisterDevice& command) {
  const std::string_view outcome = reply.text(0, "outcome");
  if (const auto reason = refusal_named(outcome))
    return refusal_about(command, *reason, reply);
  domain::DeviceRegistered done;
  done.device_id = command.device_id;
  done.display_name = command.display_name;
  done.group_id = reply.text(0, "o_group_id");
  done.platform = command.platform;
  done.owner_user_id = optional_uuid(reply, 0, "o_owner");
  const Row row = reply.row(0);
  done.is_primary = row.flag("o_is_primary");
  done.linked_at = optional_text(row, "o_linked_at");
  done.created_at = row.text("o_created_at");
  done.updated_at = row.text("o_updated_at");
  done.created = outcome == "created";
  return done;
}

domain::RegistrationGroupFound found_from(const Row& row) {
  domain::RegistrationGroupFound found;
  found.registration_group_id = row.text("registration_group_id");
  found.device_id = uuid(row.text("device_id"));
  found.display_name = row.text("display_name");
  found.group_id = row.text("group_id");
  found.is_registration_group = row.flag("is_registration_group");
  found.last_seen_at = optional_text(row, "last_seen_at");
  found.device_count = row.number("device_count");
  found.authenticated_group_id = optional_uuid(row, "authenticated_group_id");
  found.migration_id = optional_uuid(row, "migration_id");
  found.group_name = optional_text(row, "group_name");
  return found;
}

} // namespace

Parameters parameters_of(const domain::RegisterDevice& command) {
  return {command.device_id.text(), command.display_name, command.registration_group_id,
          command.platform,         command.fcm_token,    text_of(command.user_id)};
}

namespace {

Task<Result<domain::DeviceRegistered>> register_device(Session& session,
                                                       const domain::RegisterDevice& command) {
  const auto outcome = co_await outcome_of(
      run_in_one_trip(session, statements::register_device, parameters_of(command)));
  if (const auto* why = std::get_if<NotKept>(&outcome)) {
    if (why->ended() != Ended::refused ||
        why->sqlstate() != "22001") // string_data_right_truncation
      throw NotKept{*why};
    // An adopted `devices.group_id` may be narrower than ours.
    co_return Refusal{.reason = Refused::invalid_request,
                      .fields = {{"group_id", "is too long for this database"}}};
  }
  co_return decoded(std::get<Reply>(outcome),
                    [&](const Reply& reply) { return registered_from(reply, command); });
}

Task<Result<domain::RegistrationGroupFound>>
find_registration_group(Session& session, const domain::FindRegistrationGroup& query) {
  Transaction transaction{session};
  const auto refusal = co_await refuse_inactive(transaction, query.user_id);
  if (refusal)
    co_return *refusal;
  Parameters parameters{query.user_id.text(), text_of(query.device_id)};
  const Reply reply = co_await transaction.run_and_commit(statements::find_registration_group,
                                                          std::move(parameters));
  if (reply.empty())
    co_return Refusal{.reason = Refused::not_found};
  co_return found_from(reply.row(0));
}

Task<Result<domain::GroupDevicesPage>> list_group_devices(Session& session,
                                                          const domain::ListGroupDevices& query) {
  Transaction transaction{session};
  const auto refusal = co_await refuse_stranger(transaction, query.user_id, query.group_id);
  if (refusal)
    co_return *refusal;
  domain::GroupDevicesPage page;
  page.page = query.page;
  page.per_page = query.per_page;
  Parameters group{query.group_id.text()};
  const Reply count = co_await transaction.run(statements::count_group_devices, std::move(group));
  page.total = count.number(0, "count");
  Parameters slice{query.group_id.text(), std::to_string(query.per_page),
                   std::to_string((query.page - 1) * query.per_page)};
  const Reply list =
      co_await transaction.run_and_commit(statements::list_group_devices, std::move(slice));
  for (std::size_t row = 0; row < list.rows(); ++row)
    page.devices.push_back(device_from(list.row(row)));
  co_return page;
}

} // namespace

void add_devices(JobTable& table) {
  table.add(register_device);
  table.add(find_registration_group);
  table.add(list_group_devices);
}

} // namespace regroup::db
