#include "http/json.hpp"

#include "domain/names.hpp"
#include "http/admin/admin_query.hpp"
#include "http/admin/webhook_url.hpp"
#include "http/auth/api_key.hpp"
#include "http/json_reader.hpp"
#include "http/outcome_table.hpp"
#include "http/strict_json.hpp"
#include "text/json_text.hpp"

#include <algorithm>
#include <cstdint>

namespace regroup::http {
namespace {

using domain::Refusal;
using domain::Refused;
using text::JsonObject;

std::vector<std::string> texts(const std::vector<domain::Uuid>& ids) {
  std::vector<std::string> all;
  all.reserve(ids.size());
  for (const auto& id : ids)
    all.push_back(id.text());
  return all;
}

/// At most 99: after the last device COMMIT is still to come.
std::int64_t percent_of(const domain::MigrationReport& report) {
  const auto total = report.devices_total.value_or(0);
  return total > 0 ? std::min<std::int64_t>(99, report.devices_processed * 100 / total) : 0;
}

std::int64_t count_of(const std::vector<domain::Uuid>& ids) {
  return static_cast<std::int64_t>(ids.size());
}

/// Adds all fields but `migration_id`, which comes first in every answer.
void add_fields(JsonObject& to, const domain::MigrationCompleted& done) {
  to.add("authenticated_group_id", done.authenticated_group_id)
      .add("name", done.name)
      .add("slug", done.slug)
      .add("devices_migrated", count_of(done.device_ids))
      .add("device_ids", texts(done.device_ids))
      .add("devices_remaining", done.devices_remaining)
      .add("ignored_device_ids", texts(done.ignored_device_ids));
}

JsonObject object_of(const domain::GroupDevice& device) {
  return JsonObject{}
      .add("device_id", device.device_id)
      .add("display_name", device.display_name)
      .add("platform", device.platform)
      .add_or_null("owner_user_id", device.owner_user_id)
      .add("active", device.active)
      .add("added_at", device.added_at)
      .add_or_null("last_seen_at", device.last_seen_at)
      .add_null("last_location"); // Regroup does not read where devices are
}

} // namespace

Parsed<MigrationBody> parse_migration(std::string_view body, const domain::Unicode& unicode,
                                      std::size_t most_devices, bool with_hash) {
  const auto value = parse_strict_json(body);
  if (!value)
    return Refusal{Refused::invalid_json};
  ObjectReader reader{
      *value,
      unicode,
      {"registration_group_id", "group_name", "device_ids", "authenticated_group_id"}};
  auto id = reader.text("registration_group_id", {domain::kMaxRegistrationGroupId}, true);
  auto name = reader.text("group_name", {domain::kMaxGroupName, true}, false);
  auto device_ids = reader.optional_uuids("device_ids", most_devices);
  const auto into = reader.optional_uuid("authenticated_group_id");
  if (into && name)
    reader.complain("group_name", "cannot be given with authenticated_group_id");
  if (!reader.good())
    return reader.refusal();
  // nlohmann's objects are ordered by name, so equal values give equal text.
  return MigrationBody{{std::move(*id), std::move(name), std::move(device_ids), into},
                       with_hash ? sha256_hex(value->dump()) : std::string{}};
}

std::optional<Refusal> refuse_content(std::string_view body, const domain::Unicode& unicode) {
  const auto value = parse_strict_json(body);
  if (!value)
    return Refusal{Refused::invalid_json};
  const ObjectReader reader{*value, unicode, {}};
  return reader.good() ? std::nullopt : std::optional{reader.refusal()};
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

Parsed<std::string> parse_webhook(std::string_view body, const domain::Unicode& unicode,
                                  bool allow_http) {
  const auto value = parse_strict_json(body);
  if (!value)
    return Refusal{Refused::invalid_json};
  ObjectReader reader{*value, unicode, {"url"}};
  const auto text = reader.text("url", {2048}, true);
  if (!reader.good())
    return reader.refusal();
  std::string url = unicode.encode(*text);
  if (is_webhook_url(url, allow_http))
    return url;
  Refusal refusal{Refused::invalid_request};
  refusal.fields.push_back(
      {"url", allow_http ? "must be an http or https address" : "must be an https address"});
  return refusal;
}

Parsed<domain::CreateApiKey> parse_api_key(std::string_view body, const domain::Unicode& unicode,
                                           std::chrono::system_clock::time_point now) {
  const auto value = parse_strict_json(body);
  if (!value)
    return Refusal{Refused::invalid_json};
  ObjectReader reader{*value, unicode, {"name", "is_admin", "expires_at"}};
  const auto name = reader.text("name", {100, true}, true);
  const bool is_admin = reader.boolean("is_admin");
  const auto expires = reader.text("expires_at", {64}, false);
  const auto at = expires ? parse_time(unicode.encode(*expires)) : std::nullopt;
  if (expires && (!at || *at <= now))
    reader.complain("expires_at", "must be an RFC 3339 time in the future");
  if (!reader.good())
    return reader.refusal();
  domain::CreateApiKey key;
  key.name = unicode.encode(*name);
  key.is_admin = is_admin;
  if (at)
    key.expires_at = time_text(*at);
  return key;
}

Parsed<std::optional<std::vector<std::int64_t>>> parse_event_ids(std::string_view body,
                                                                 const domain::Unicode& unicode) {
  constexpr std::size_t kMostEvents = 1000;
  const auto value = parse_strict_json(body);
  if (!value)
    return Refusal{Refused::invalid_json};
  ObjectReader reader{*value, unicode, {"event_ids"}};
  const auto texts = reader.optional_texts("event_ids", kMostEvents);
  std::vector<std::int64_t> ids;
  for (const auto& text : texts.value_or(std::vector<std::string>{}))
    if (const auto id = parse_event_id(text))
      ids.push_back(*id);
    else
      reader.complain("event_ids[" + std::to_string(ids.size()) + "]", "must be an event's id");
  if (!reader.good())
    return reader.refusal();
  return texts ? std::optional{std::move(ids)} : std::nullopt;
}

std::string to_json(const domain::MigrationCompleted& done) {
  JsonObject body;
  body.add("migration_id", done.migration_id);
  add_fields(body, done);
  return body.text();
}

std::string to_json(const domain::MigrationPlan& plan) {
  JsonObject body;
  body.add("dry_run", true)
      .add("registration_group_id", plan.registration_group_id)
      .add_or_null("authenticated_group_id", plan.authenticated_group_id)
      .add("name", plan.name)
      .add("slug", plan.slug)
      .add("devices_to_migrate", plan.devices_to_migrate)
      .add("device_ids", texts(plan.device_ids))
      .add("devices_remaining", plan.devices_remaining)
      .add("ignored_device_ids", texts(plan.ignored_device_ids));
  if (plan.obstacle)
    body.add("obstacle", error_of(*plan.obstacle));
  else
    body.add_null("obstacle");
  return body.text();
}

std::string to_json(const domain::MigrationUndone& undone) {
  return JsonObject{}
      .add("migration_id", undone.migration_id)
      .add("registration_group_id", undone.registration_group_id)
      .add("authenticated_group_id", undone.authenticated_group_id)
      .add("status", "rolled_back")
      .add("devices_restored", count_of(undone.device_ids))
      .add("device_ids", texts(undone.device_ids))
      .add("rolled_back_at", undone.rolled_back_at)
      .text();
}

std::string to_json(const domain::DeviceRegistered& done) {
  return JsonObject{}
      .add("device_id", done.device_id)
      .add("display_name", done.display_name)
      .add("group_id", done.group_id)
      .add("platform", done.platform)
      .add_or_null("owner_user_id", done.owner_user_id)
      .add("is_primary", done.is_primary)
      .add_or_null("linked_at", done.linked_at)
      .add("created_at", done.created_at)
      .add("updated_at", done.updated_at)
      .text();
}

std::string to_json(const domain::RegistrationGroupFound& found) {
  return JsonObject{}
      .add("registration_group_id", found.registration_group_id)
      .add("device_id", found.device_id)
      .add("display_name", found.display_name)
      .add("group_id", found.group_id)
      .add("device_count", found.device_count)
      .add("is_registration_group", found.is_registration_group)
      .add("has_registration_group", found.is_registration_group)
      .add("migrated", found.migration_id.has_value())
      .add("already_migrated", found.migration_id.has_value())
      .add_or_null("migrated_to_group_id", found.authenticated_group_id)
      .add_or_null("last_seen_at", found.last_seen_at)
      .add_or_null("authenticated_group_id", found.authenticated_group_id)
      .add_or_null("migration_id", found.migration_id)
      .add_or_null("group_name", found.group_name)
      .text();
}

std::string to_json(const domain::GroupDevicesPage& page) {
  std::vector<JsonObject> devices;
  devices.reserve(page.devices.size());
  for (const auto& device : page.devices)
    devices.push_back(object_of(device));
  return JsonObject{}
      .add("devices", devices)
      .add("page", page.page)
      .add("per_page", page.per_page)
      .add("total", page.total)
      .add("total_pages", (page.total + page.per_page - 1) / page.per_page)
      .text();
}

std::string to_json(const domain::MigrationReport& report) {
  using Status = domain::MigrationReport::Status;
  JsonObject body;
  body.add("migration_id", report.result.migration_id)
      .add("registration_group_id", report.registration_group_id);
  if (report.status == Status::in_progress)
    return body.add("status", "in_progress")
        .add("progress_percent", percent_of(report))
        .add_or_null("devices_total", report.devices_total)
        .add("devices_processed", report.devices_processed)
        .text();
  if (report.status == Status::failed)
    return body.add("status", "failed")
        .add("error",
             JsonObject{}.add("code", report.error_code).add("message", report.error_message))
        .text();
  body.add("status", report.status == Status::completed ? "completed" : "rolled_back");
  add_fields(body, report.result);
  if (report.status == Status::rolled_back && !report.rolled_back_at.empty())
    body.add("rolled_back_at", report.rolled_back_at);
  return body.add("completed_at", report.completed_at).text();
}

std::string in_progress_json(const domain::MigrationCommand& command) {
  const auto report = report_of(command);
  return JsonObject{}
      .add("migration_id", command.migration_id)
      .add("status", "in_progress")
      .add("status_url", status_url(command.migration_id))
      .add_or_null("devices_total", report.devices_total)
      .add("devices_processed", report.devices_processed)
      .add_or_null("estimated_completion_seconds",
                   command.progress ? command.progress->seconds_left(command.received)
                                    : std::nullopt)
      .text();
}

domain::MigrationReport report_of(const domain::MigrationCommand& running) {
  domain::MigrationReport report;
  report.status = domain::MigrationReport::Status::in_progress;
  report.registration_group_id = running.registration_group_id;
  report.result.migration_id = running.migration_id;
  if (running.progress && running.progress->total >= 0)
    report.devices_total = running.progress->total;
  if (running.progress)
    report.devices_processed = running.progress->processed;
  return report;
}

std::string to_json(const domain::OperationReport& report) {
  JsonObject body;
  body.add("operation_id", report.operation_id);
  if (!report.kind.empty())
    body.add("kind", report.kind);
  if (report.group_id)
    body.add("group_id", *report.group_id);
  body.add("status", report.completed ? "completed" : "failed");
  if (report.completed)
    body.add("completed_at", report.ended_at);
  else
    body.add("error",
             JsonObject{}.add("code", report.error_code).add("message", report.error_message));
  return body.text();
}

std::string operation_url(const domain::Uuid& operation_id) {
  return "/api/v1/groups/operations/" + operation_id.text();
}

std::string status_url(const domain::Uuid& migration_id) {
  return "/api/v1/groups/migrations/" + migration_id.text();
}

} // namespace regroup::http
