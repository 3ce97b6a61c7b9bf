#include "http/groups/group_json.hpp"

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
using Action = domain::ChangeGroupDevices::Action;

constexpr std::size_t kMostDevices = 50;

JsonObject object_of(const domain::GroupMember& member) {
  return JsonObject{}
      .add("id", member.membership_id)
      .add("user", JsonObject{}
                       .add("id", member.user_id)
                       .add_or_null("display_name", member.display_name)
                       .add_null("avatar_url")) // a column that Regroup does not read
      .add("user_id", member.user_id)
      .add_or_null("display_name", member.display_name)
      .add("role", member.role)
      .add_or_null("invited_by", member.invited_by)
      .add("joined_at", member.joined_at)
      .add("device_count", member.device_count);
}

/// The fields that every list of groups begins with.
JsonObject head_of(const auto& group) {
  return JsonObject{}
      .add("authenticated_group_id", group.group_id)
      .add("name", group.name)
      .add("slug", group.slug);
}

JsonObject object_of(const domain::MyGroup& group) {
  return head_of(group)
      .add("id", group.group_id)
      .add_null("icon_emoji") // a column that Regroup does not read
      .add("role", group.role)
      .add("your_role", group.role)
      .add("device_count", group.device_count)
      .add("member_count", group.member_count)
      .add_or_null("max_devices", group.max_devices)
      .add("has_current_device", group.has_current_device)
      .add("created_at", group.created_at)
      .add("joined_at", group.joined_at);
}

JsonObject object_of(const domain::GroupOfDevice& group) {
  return head_of(group)
      .add("group_id", group.group_id)
      .add_or_null("role", group.role)
      .add_or_null("added_by", group.added_by)
      .add("added_at", group.added_at);
}

JsonObject object_of(const domain::MyDevice& device) {
  return JsonObject{}
      .add("device_id", device.device_id)
      .add("display_name", device.display_name)
      .add("group_id", device.group_id)
      .add("platform", device.platform)
      .add("active", device.active)
      .add("is_primary", device.is_primary)
      .add_or_null("is_current", device.is_current)
      .add_or_null("linked_at", device.linked_at)
      .add_or_null("last_seen_at", device.last_seen_at);
}

template <class T> std::vector<JsonObject> objects_of(const domain::Page<T>& page) {
  std::vector<JsonObject> items;
  items.reserve(page.items.size());
  for (const auto& each : page.items)
    items.push_back(object_of(each));
  return items;
}

std::int64_t pages_of(const auto& page) { return (page.total + page.per_page - 1) / page.per_page; }

template <class T>
JsonObject page_object(const char* name, const std::vector<JsonObject>& items,
                       const domain::Page<T>& page) {
  return JsonObject{}
      .add(name, items)
      .add("page", page.page)
      .add("per_page", page.per_page)
      .add("total", page.total)
      .add("total_pages", pages_of(page));
}

/// The same numbers as the original backend's answers and its client name them.
template <class T> JsonObject pagination_of(const domain::Page<T>& page) {
  return JsonObject{}
      .add("page", page.page)
      .add("per_page", page.per_page)
      .add("page_size", page.per_page)
      .add("total", page.total)
      .add("total_count", page.total)
      .add("total_pages", pages_of(page));
}

JsonObject object_of(const domain::DeviceResult& result, const char* done) {
  JsonObject object;
  object.add("device_id", result.device_id);
  if (!result.refused)
    return object.add("status", done);
  const auto& row = row_of(*result.refused);
  return object.add("status", "refused")
      .add("error", JsonObject{}.add("code", row.code).add("message", row.message));
}

} // namespace

Parsed<domain::Uuid> parse_device(std::string_view body, const domain::Unicode& unicode) {
  const auto value = parse_strict_json(body);
  if (!value)
    return Refusal{Refused::invalid_json};
  ObjectReader reader{*value, unicode, {"device_id"}};
  const auto device = reader.uuid("device_id");
  if (!reader.good())
    return reader.refusal();
  return *device;
}

Parsed<BulkBody> parse_bulk(std::string_view body, const domain::Unicode& unicode) {
  const auto value = parse_strict_json(body);
  if (!value)
    return Refusal{Refused::invalid_json};
  ObjectReader reader{*value, unicode, {"device_ids", "partial"}};
  const auto ids = reader.uuids("device_ids", kMostDevices);
  BulkBody bulk{{}, reader.boolean("partial")};
  if (!reader.good())
    return reader.refusal();
  for (const auto& id : ids)
    if (std::find(bulk.device_ids.begin(), bulk.device_ids.end(), id) == bulk.device_ids.end())
      bulk.device_ids.push_back(id);
  return bulk;
}

std::string one_change_json(Action action, const domain::GroupDevicesChanged& done) {
  return JsonObject{}
      .add("authenticated_group_id", done.group_id)
      .add("group_id", done.group_id)
      .add("device_id", done.results.at(0).device_id)
      .add(action == Action::add ? "added_at" : "removed_at", done.changed_at)
      .text();
}

std::string bulk_change_json(Action action, const domain::GroupDevicesChanged& done) {
  const bool adds = action == Action::add;
  std::vector<JsonObject> results;
  results.reserve(done.results.size());
  std::int64_t changed = 0;
  for (const auto& each : done.results) {
    changed += each.refused ? 0 : 1;
    results.push_back(object_of(each, adds ? "added" : "removed"));
  }
  return JsonObject{}
      .add("authenticated_group_id", done.group_id)
      .add(adds ? "devices_added" : "devices_removed", changed)
      .add("changed_at", done.changed_at)
      .add("results", results)
      .text();
}

// Each list goes by Regroup's name and by the original backend's.
std::string to_json(const domain::Page<domain::GroupMember>& page) {
  const auto members = objects_of(page);
  return page_object("members", members, page)
      .add("data", members)
      .add("pagination", pagination_of(page))
      .text();
}
std::string to_json(const domain::Page<domain::MyGroup>& page) {
  const auto groups = objects_of(page);
  const auto count = static_cast<std::int64_t>(groups.size());
  return page_object("groups", groups, page).add("data", groups).add("count", count).text();
}
std::string to_json(const domain::Page<domain::GroupOfDevice>& page) {
  return page_object("groups", objects_of(page), page)
      .add("pagination", pagination_of(page))
      .text();
}
std::string to_json(const domain::Page<domain::MyDevice>& page) {
  const auto devices = objects_of(page);
  const auto count = static_cast<std::int64_t>(devices.size());
  return page_object("devices", devices, page).add("count", count).text();
}

} // namespace regroup::http
