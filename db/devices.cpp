#include "db/devices.hpp"

#include "db/callers.hpp"
#include "db/codec.hpp"
#include "db/one_trip.hpp"

#include <string_view>

namespace regroup::db {
namespace {

using domain::Answer;
using domain::Refusal;
using domain::Refused;

domain::GroupDevice device_from(const pqxx::row& row) {
  domain::GroupDevice device;
  device.device_id = uuid(row["device_id"]);
  device.display_name = row["display_name"].c_str();
  device.platform = row["platform"].c_str();
  device.owner_user_id = optional_uuid(row["owner_user_id"]);
  device.active = row["active"].as<bool>();
  device.added_at = row["added_at"].c_str();
  device.last_seen_at = optional_text(row["last_seen_at"]);
  return device;
}

/// What the string that the device was to go into stands for.
Refusal closed(const domain::RegisterDevice& command, const Reply& reply) {
  if (std::string_view{reply.text(0, "outcome")} == "group_name_exists")
    return {.reason = Refused::group_name_exists, .group_name = command.registration_group_id};
  Refusal refusal{.reason = Refused::already_migrated,
                  .registration_group_id = command.registration_group_id,
                  .authenticated_group_id = optional_uuid(reply, 0, "o_authenticated_group_id"),
                  .migration_id = optional_uuid(reply, 0, "o_migration_id")};
  if (!reply.is_null(0, "o_name"))
    refusal.group_name = reply.text(0, "o_name");
  return refusal;
}

} // namespace

Answer register_device(Session& session, const domain::RegisterDevice& command) {
  try {
    return run_in_one_trip(
        session, statements::register_device,
        {command.device_id.text(), command.display_name, command.registration_group_id,
         command.platform, command.fcm_token, text_of(command.user_id)},
        [&](const Reply& reply) -> Answer {
          const std::string_view outcome = reply.text(0, "outcome");
          if (outcome == "unauthorized")
            return Refusal{.reason = Refused::unauthorized};
          if (outcome == "already_linked")
            return Refusal{.reason = Refused::device_already_linked};
          if (outcome == "device_linked")
            return Refusal{.reason = Refused::device_linked, .device_id = command.device_id};
          if (outcome == "already_migrated" || outcome == "group_name_exists")
            return closed(command, reply);
          domain::DeviceRegistered done;
          done.device_id = command.device_id;
          done.display_name = command.display_name;
          done.group_id = reply.text(0, "o_group_id");
          done.platform = command.platform;
          done.owner_user_id = optional_uuid(reply, 0, "o_owner");
          done.created = outcome == "created";
          return done;
        });
  } catch (const NotKept& why) {
    if (why.ended() != Ended::refused || why.sqlstate() != "22001") // string_data_right_truncation
      throw;
    // An adopted `devices.group_id` may be narrower than ours.
    return Refusal{.reason = Refused::invalid_request,
                   .fields = {{"registration_group_id", "is too long for this database"}}};
  }
}

Answer find_registration_group(Session& session, const domain::FindRegistrationGroup& query) {
  const auto device = text_of(query.device_id);
  Transaction transaction{session};
  if (const auto refusal = refuse_inactive(transaction, query.user_id))
    return *refusal;
  const auto rows = transaction.run(statements::find_registration_group, query.user_id.text(),
                                    text_or_null(device));
  if (rows.empty())
    return Refusal{Refused::not_found};
  const auto row = rows.front();
  domain::RegistrationGroupFound found;
  found.registration_group_id = row["registration_group_id"].c_str();
  found.device_id = uuid(row["device_id"]);
  found.device_count = row["device_count"].as<std::int64_t>();
  found.authenticated_group_id = optional_uuid(row["authenticated_group_id"]);
  found.migration_id = optional_uuid(row["migration_id"]);
  found.group_name = optional_text(row["group_name"]);
  return found;
}

Answer list_group_devices(Session& session, const domain::ListGroupDevices& query) {
  Transaction transaction{session};
  if (const auto refusal = refuse_stranger(transaction, query.user_id, query.group_id))
    return *refusal;
  domain::GroupDevicesPage page;
  page.page = query.page;
  page.per_page = query.per_page;
  page.total = transaction.run(statements::count_group_devices, query.group_id.text())
                   .front()
                   .front()
                   .as<std::int64_t>();
  for (const auto& row : transaction.run(statements::list_group_devices, query.group_id.text(),
                                         query.per_page, (query.page - 1) * query.per_page))
    page.devices.push_back(device_from(row));
  return page;
}

} // namespace regroup::db
