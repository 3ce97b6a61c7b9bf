#include "http/json.hpp"

#include "domain/names.hpp"
#include "http/api_key.hpp"
#include "http/json_reader.hpp"
#include "http/strict_json.hpp"

#include <nlohmann/json.hpp>

namespace regroup::http {
namespace {

using domain::Refusal;
using domain::Refused;
using nlohmann::ordered_json;

ordered_json texts(const std::vector<domain::Uuid>& ids) {
  ordered_json array = ordered_json::array();
  for (const auto& id : ids)
    array.push_back(id.text());
  return array;
}

ordered_json or_null(const std::optional<domain::Uuid>& id) {
  return id ? ordered_json(id->text()) : ordered_json(nullptr);
}

std::string dump(const ordered_json& value) {
  // Text that other programs wrote into the database comes back replaced rather than not at all.
  return value.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

ordered_json fields_of(const domain::MigrationCompleted& done) {
  return {{"migration_id", done.migration_id.text()},
          {"authenticated_group_id", done.authenticated_group_id.text()},
          {"name", done.name},
          {"slug", done.slug},
          {"devices_migrated", done.device_ids.size()},
          {"device_ids", texts(done.device_ids)},
          {"devices_remaining", done.devices_remaining},
          {"ignored_device_ids", texts(done.ignored_device_ids)}};
}

} // namespace

Parsed<MigrationBody> parse_migration(std::string_view body, const domain::Unicode& unicode) {
  const auto value = parse_strict_json(body);
  if (!value)
    return Refusal{Refused::invalid_json};
  ObjectReader reader{*value, unicode, {"registration_group_id", "group_name", "device_ids"}};
  auto id = reader.text("registration_group_id", {domain::kMaxRegistrationGroupId}, true);
  auto name = reader.text("group_name", {domain::kMaxGroupName, true}, false);
  auto device_ids = reader.optional_uuids("device_ids");
  if (!reader.good())
    return reader.refusal();
  // nlohmann's objects are ordered by name, so equal values give equal text.
  return MigrationBody{{std::move(*id), std::move(name), std::move(device_ids)},
                       sha256_hex(value->dump())};
}

Parsed<domain::RegisterDevice> parse_registration(std::string_view body,
                                                  const domain::Unicode& unicode) {
  const auto value = parse_strict_json(body);
  if (!value)
    return Refusal{Refused::invalid_json};
  ObjectReader reader{
      *value, unicode, {"device_id", "display_name", "group_id", "platform", "fcm_token"}};
  const auto device_id = reader.uuid("device_id");
  const auto name = reader.text("display_name", {50, true}, true);
  const auto group = reader.text("group_id", {domain::kMaxRegistrationGroupId}, true);
  const auto platform = reader.text("platform", {20, true}, true);
  const auto token = reader.text("fcm_token", {4096}, false);
  if (!reader.good())
    return reader.refusal();
  domain::RegisterDevice command;
  command.device_id = *device_id;
  command.display_name = unicode.encode(*name);
  command.registration_group_id = unicode.encode(*group);
  command.platform = unicode.encode(*platform);
  if (token)
    command.fcm_token = unicode.encode(*token);
  return command;
}

std::string to_json(const domain::MigrationCompleted& done) { return dump(fields_of(done)); }

std::string to_json(const domain::DeviceRegistered& done) {
  return dump({{"device_id", done.device_id.text()},
               {"display_name", done.display_name},
               {"group_id", done.group_id},
               {"platform", done.platform},
               {"owner_user_id", or_null(done.owner_user_id)}});
}

std::string to_json(const domain::RegistrationGroupFound& found) {
  return dump({{"registration_group_id", found.registration_group_id},
               {"device_id", found.device_id.text()},
               {"device_count", found.device_count},
               {"migrated", found.migration_id.has_value()},
               {"authenticated_group_id", or_null(found.authenticated_group_id)},
               {"migration_id", or_null(found.migration_id)}});
}

std::string to_json(const domain::GroupDevicesPage& page) {
  ordered_json devices = ordered_json::array();
  for (const auto& device : page.devices)
    devices.push_back({{"device_id", device.device_id.text()},
                       {"display_name", device.display_name},
                       {"platform", device.platform},
                       {"owner_user_id", or_null(device.owner_user_id)},
                       {"active", device.active},
                       {"added_at", device.added_at},
                       {"last_seen_at", device.last_seen_at ? ordered_json(*device.last_seen_at)
                                                            : ordered_json(nullptr)}});
  return dump({{"devices", std::move(devices)},
               {"page", page.page},
               {"per_page", page.per_page},
               {"total", page.total},
               {"total_pages", (page.total + page.per_page - 1) / page.per_page}});
}

std::string to_json(const domain::MigrationReport& report) {
  using Status = domain::MigrationReport::Status;
  ordered_json body{{"migration_id", report.result.migration_id.text()},
                    {"registration_group_id", report.registration_group_id}};
  if (report.status == Status::failed) {
    body["status"] = "failed";
    body["error"] = {{"code", report.error_code}, {"message", report.error_message}};
    return dump(body);
  }
  body["status"] = report.status == Status::completed ? "completed" : "rolled_back";
  body.update(fields_of(report.result));
  body["completed_at"] = report.completed_at;
  return dump(body);
}

std::string in_progress_json(const domain::MigrationCommand& command) {
  return dump({{"migration_id", command.migration_id.text()},
               {"status", "in_progress"},
               {"status_url", status_url(command.migration_id)},
               {"devices_total", nullptr},
               {"devices_processed", 0},
               {"estimated_completion_seconds", nullptr}});
}

std::string in_progress_report_json(const domain::MigrationCommand& command) {
  return dump({{"migration_id", command.migration_id.text()},
               {"registration_group_id", command.registration_group_id},
               {"status", "in_progress"},
               {"progress_percent", 0},
               {"devices_total", nullptr},
               {"devices_processed", 0}});
}

std::string status_url(const domain::Uuid& migration_id) {
  return "/api/v1/groups/migrations/" + migration_id.text();
}

} // namespace regroup::http
