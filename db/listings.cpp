#include "db/listings.hpp"

#include "db/callers.hpp"
#include "db/codec.hpp"
#include "db/group_statements.hpp"

#include <utility>

namespace regroup::db {
namespace {

using domain::Answer;
using domain::Refusal;
using domain::Refused;

std::optional<bool> optional_bool(const pqxx::field& field) {
  return field.is_null() ? std::nullopt : std::optional{field.as<bool>()};
}

/// A page of what `count` counts and `list` lists, both with `args` first.
template <class Item, class... Args>
domain::Page<Item> page_of(Transaction& transaction, const domain::PageNumber& number,
                           const pqxx::result& count, Item (*item)(const pqxx::row&),
                           const Statement& list, const Args&... args) {
  domain::Page<Item> page{
      {}, number.page, number.per_page, count.front().front().as<std::int64_t>()};
  const auto rows =
      transaction.run(list, args..., number.per_page, (number.page - 1) * number.per_page);
  for (const auto& row : rows)
    page.items.push_back(item(row));
  return page;
}

domain::GroupMember member_from(const pqxx::row& row) {
  domain::GroupMember member;
  member.user_id = uuid(row["user_id"]);
  member.display_name = optional_text(row["display_name"]);
  member.role = row["role"].c_str();
  member.joined_at = row["joined_at"].c_str();
  member.device_count = row["device_count"].as<std::int64_t>();
  return member;
}

domain::MyGroup my_group_from(const pqxx::row& row) {
  domain::MyGroup group;
  group.group_id = uuid(row["group_id"]);
  group.name = row["name"].c_str();
  group.slug = row["slug"].c_str();
  group.role = row["role"].c_str();
  if (!row["max_devices"].is_null())
    group.max_devices = row["max_devices"].as<std::int64_t>();
  group.device_count = row["device_count"].as<std::int64_t>();
  group.member_count = row["member_count"].as<std::int64_t>();
  group.has_current_device = optional_bool(row["has_current_device"]);
  group.created_at = row["created_at"].c_str();
  group.joined_at = row["joined_at"].c_str();
  return group;
}

domain::GroupOfDevice group_of_device_from(const pqxx::row& row) {
  domain::GroupOfDevice group;
  group.group_id = uuid(row["group_id"]);
  group.name = row["name"].c_str();
  group.slug = row["slug"].c_str();
  group.role = optional_text(row["role"]);
  group.added_by = optional_uuid(row["added_by"]);
  group.added_at = row["added_at"].c_str();
  return group;
}

domain::MyDevice my_device_from(const pqxx::row& row) {
  domain::MyDevice device;
  device.device_id = uuid(row["device_id"]);
  device.display_name = row["display_name"].c_str();
  device.group_id = row["group_id"].c_str();
  device.platform = row["platform"].c_str();
  device.active = row["active"].as<bool>();
  device.is_primary = row["is_primary"].as<bool>();
  device.is_current = optional_bool(row["is_current"]);
  device.linked_at = optional_text(row["linked_at"]);
  device.last_seen_at = optional_text(row["last_seen_at"]);
  return device;
}

} // namespace

Answer list_group_members(Session& session, const domain::ListGroupMembers& query) {
  const auto group = query.group_id.text();
  Transaction transaction{session};
  if (const auto refusal = refuse_stranger(transaction, query.user_id, query.group_id))
    return *refusal;
  return page_of(transaction, query.page, transaction.run(statements::count_members, group),
                 member_from, statements::list_members, group);
}

Answer list_groups(Session& session, const domain::ListGroups& query) {
  const auto user = query.user_id.text();
  const auto device = text_of(query.current_device);
  Transaction transaction{session};
  if (const auto refusal = refuse_inactive(transaction, query.user_id))
    return *refusal;
  return page_of(transaction, query.page, transaction.run(statements::count_groups, user),
                 my_group_from, statements::list_groups, user, text_or_null(device));
}

Answer list_groups_of_device(Session& session, const domain::ListGroupsOfDevice& query) {
  const auto user = query.user_id.text();
  const auto device = query.device_id.text();
  Transaction transaction{session};
  if (const auto refusal = refuse_inactive(transaction, query.user_id))
    return *refusal;
  const auto owner = transaction.run(statements::find_device_owner, device, user);
  if (owner.empty())
    return Refusal{Refused::not_found};
  if (!owner.front()["is_owner"].as<bool>())
    return Refusal{Refused::not_owner_of_device};
  return page_of(transaction, query.page,
                 transaction.run(statements::count_groups_of_device, device), group_of_device_from,
                 statements::list_groups_of_device, device, user);
}

Answer list_devices(Session& session, const domain::ListDevices& query) {
  const auto user = query.user_id.text();
  const auto device = text_of(query.current_device);
  Transaction transaction{session};
  if (const auto refusal = refuse_inactive(transaction, query.user_id))
    return *refusal;
  return page_of(transaction, query.page, transaction.run(statements::count_devices, user),
                 my_device_from, statements::list_devices, user, text_or_null(device));
}

} // namespace regroup::db
