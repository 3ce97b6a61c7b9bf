// Pages of what a user may see.
#include "db/callers.hpp"
#include "db/codec.hpp"
#include "db/group_statements.hpp"
#include "db/jobs.hpp"
#include "domain/command.hpp"

#include <utility>

namespace regroup::db {
namespace {

using domain::Page;
using domain::Refusal;
using domain::Refused;
using domain::Result;

std::optional<bool> optional_flag(const Row& row, const char* column) {
  return row.is_null(column) ? std::nullopt : std::optional{row.flag(column)};
}

struct List {
  const Statement& count;
  Parameters counted;
  const Statement& page; // its last parameters are the page's size and offset
  Parameters parameters;
};

/// Runs the count and the page, the last two statements of a job, and commits.
template <class Item>
Task<Page<Item>> page_of(Transaction& transaction, const domain::PageNumber& number, List list,
                         Item (*item)(const Row&)) {
  const Reply count = co_await transaction.run(list.count, std::move(list.counted));
  Page<Item> page{{}, number.page, number.per_page, count.number(0, "count")};
  list.parameters.push_back(std::to_string(number.per_page));
  list.parameters.push_back(std::to_string((number.page - 1) * number.per_page));
  const Reply rows = co_await transaction.run_and_commit(list.page, std::move(list.parameters));
  for (std::size_t row = 0; row < rows.rows(); ++row)
    page.items.push_back(item(rows.row(row)));
  co_return page;
}

domain::GroupMember member_from(const Row& row) {
  domain::GroupMember member;
  member.membership_id = uuid(row.text("membership_id"));
  member.user_id = uuid(row.text("user_id"));
  member.display_name = optional_text(row, "display_name");
  member.role = row.text("role");
  member.invited_by = optional_uuid(row, "invited_by");
  member.joined_at = row.text("joined_at");
  member.device_count = row.number("device_count");
  return member;
}

domain::MyGroup my_group_from(const Row& row) {
  domain::MyGroup group;
  group.group_id = uuid(row.text("group_id"));
  group.name = row.text("name");
  group.slug = row.text("slug");
  group.role = row.text("role");
  if (!row.is_null("max_devices"))
    group.max_devices = row.number("max_devices");
  group.device_count = row.number("device_count");
  group.member_count = row.number("member_count");
  group.has_current_device = row.flag("has_current_device");
  group.created_at = row.text("created_at");
  group.joined_at = row.text("joined_at");
  return group;
}

domain::GroupOfDevice group_of_device_from(const Row& row) {
  domain::GroupOfDevice group;
  group.group_id = uuid(row.text("group_id"));
  group.name = row.text("name");
  group.slug = row.text("slug");
  group.role = optional_text(row, "role");
  group.added_by = optional_uuid(row, "added_by");
  group.added_at = row.text("added_at");
  return group;
}

domain::MyDevice my_device_from(const Row& row) {
  domain::MyDevice device;
  device.device_id = uuid(row.text("device_id"));
  device.display_name = row.text("display_name");
  device.group_id = row.text("group_id");
  device.platform = row.text("platform");
  device.active = row.flag("active");
  device.is_primary = row.flag("is_primary");
  device.is_current = optional_flag(row, "is_current");
  device.linked_at = optional_text(row, "linked_at");
  device.last_seen_at = optional_text(row, "last_seen_at");
  return device;
}

Task<Result<Page<domain::GroupMember>>> list_group_members(Session& session,
                                                           const domain::ListGroupMembers& query) {
  Transaction transaction{session};
  const auto refusal = co_await refuse_stranger(transaction, query.user_id, query.group_id);
  if (refusal)
    co_return *refusal;
  const Parameters group{query.group_id.text(), query.role};
  List list{statements::count_members, group, statements::list_members, group};
  co_return co_await page_of(transaction, query.page, std::move(list), member_from);
}

Task<Result<Page<domain::MyGroup>>> list_groups(Session& session, const domain::ListGroups& query) {
  Transaction transaction{session};
  const auto refusal = co_await refuse_inactive(transaction, query.user_id);
  if (refusal)
    co_return *refusal;
  const auto user = query.user_id.text();
  const Parameters of_user{user, query.role};
  List list{statements::count_groups, of_user, statements::list_groups, of_user};
  list.parameters.push_back(text_of(query.current_device));
  co_return co_await page_of(transaction, query.page, std::move(list), my_group_from);
}

Task<Result<Page<domain::GroupOfDevice>>>
list_groups_of_device(Session& session, const domain::ListGroupsOfDevice& query) {
  Transaction transaction{session};
  const auto refusal = co_await refuse_inactive(transaction, query.user_id);
  if (refusal)
    co_return *refusal;
  const auto user = query.user_id.text();
  const auto device = query.device_id.text();
  Parameters both{device, user};
  Parameters for_page = both;
  const Reply owner = co_await transaction.run(statements::find_device_owner, std::move(both));
  if (owner.empty())
    co_return Refusal{.reason = Refused::not_found};
  if (!owner.row(0).flag("is_owner"))
    co_return Refusal{.reason = Refused::not_owner_of_device};
  List list{statements::count_groups_of_device,
            {device},
            statements::list_groups_of_device,
            std::move(for_page)};
  co_return co_await page_of(transaction, query.page, std::move(list), group_of_device_from);
}

Task<Result<Page<domain::MyDevice>>> list_devices(Session& session,
                                                  const domain::ListDevices& query) {
  Transaction transaction{session};
  const auto refusal = co_await refuse_inactive(transaction, query.user_id);
  if (refusal)
    co_return *refusal;
  const auto user = query.user_id.text();
  List list{statements::count_devices, {user}, statements::list_devices, {user}};
  list.parameters.push_back(text_of(query.current_device));
  co_return co_await page_of(transaction, query.page, std::move(list), my_device_from);
}

} // namespace

void add_listings(JobTable& table) {
  table.add(list_group_members);
  table.add(list_groups);
  table.add(list_groups_of_device);
  table.add(list_devices);
}

} // namespace regroup::db
