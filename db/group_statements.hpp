#pragma once
#include "db/statements.hpp"

/// RFC 3339 in UTC, as in every answer. Some columns of an adopted database have no time zone.
#define REGROUP_UTC(column)                                                                        \
  "to_char((" column ")::timestamptz AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"

namespace regroup::db::statements {

/// group_devices.cpp. Takes the locks that functions/group_devices.sql describes.
inline constexpr Statement change_devices{
    "regroup_change_devices",
    "SELECT outcome, array_to_string(o_verdicts, ',') AS verdicts, o_device_count, "
    "o_limit, " REGROUP_UTC(
        "o_changed_at") " AS at "
                        "FROM regroup_change_devices_v1($1, $2, $3, $4, $5, $6, $7, $8)"};

// listings.cpp: a count and a page for each list, in a stable order. None takes a lock.

/// $2: a role, or NULL; also in the next three.
inline constexpr Statement count_members{
    "regroup_count_members", "SELECT count(*) FROM group_memberships m WHERE m.group_id = $1 "
                             "AND ($2::text IS NULL OR m.role::text = $2)"};
inline constexpr Statement list_members{
    "regroup_list_members",
    "SELECT m.id AS membership_id, m.user_id, u.display_name, m.role::text AS role, "
    "m.invited_by, " REGROUP_UTC(
        "m.joined_at") " AS joined_at, "
                       "(SELECT count(*) FROM devices d JOIN device_group_memberships g ON "
                       "g.device_id = d.device_id "
                       "  AND g.group_id = m.group_id WHERE d.owner_user_id = m.user_id) AS "
                       "device_count "
                       "FROM group_memberships m JOIN users u ON u.id = m.user_id "
                       "WHERE m.group_id = $1 AND ($2::text IS NULL OR m.role::text = $2) "
                       "ORDER BY m.joined_at, m.user_id LIMIT $3 OFFSET $4"};

inline constexpr Statement count_groups{
    "regroup_count_groups", "SELECT count(*) FROM group_memberships m "
                            "JOIN groups g ON g.id = m.group_id AND g.is_active "
                            "WHERE m.user_id = $1 AND ($2::text IS NULL OR m.role::text = $2)"};
/// $3: the current device, or NULL: any active one of the user's.
inline constexpr Statement list_groups{
    "regroup_list_groups",
    "SELECT g.id AS group_id, g.name, g.slug, m.role::text AS role, g.max_devices, "
    "(SELECT count(*) FROM device_group_memberships d WHERE d.group_id = g.id) AS device_count, "
    "(SELECT count(*) FROM group_memberships o WHERE o.group_id = g.id) AS member_count, "
    "EXISTS (SELECT FROM device_group_memberships d JOIN devices p ON p.device_id = d.device_id "
    "  WHERE d.group_id = g.id AND CASE WHEN $3::uuid IS NULL "
    "    THEN p.owner_user_id = $1 AND p.active ELSE p.device_id = $3 END) AS "
    "has_current_device, " REGROUP_UTC("g.created_at") " AS created_at, " REGROUP_UTC(
        "m.joined_at") " AS joined_at "
                       "FROM group_memberships m "
                       "JOIN groups g ON g.id = "
                       "m.group_id AND g.is_active "
                       "WHERE m.user_id = $1 AND ($2::text IS NULL OR m.role::text = $2) ORDER BY "
                       "m.joined_at, g.id LIMIT $4 OFFSET $5"};

/// Does the device exist, and is it the user's?
inline constexpr Statement find_device_owner{
    "regroup_find_device_owner",
    "SELECT owner_user_id IS NOT DISTINCT FROM $2::uuid AS is_owner FROM devices "
    "WHERE device_id = $1"};
inline constexpr Statement count_groups_of_device{
    "regroup_count_groups_of_device", "SELECT count(*) FROM device_group_memberships m "
                                      "JOIN groups g ON g.id = m.group_id AND g.is_active "
                                      "WHERE m.device_id = $1"};
/// $2: the user.
inline constexpr Statement list_groups_of_device{
    "regroup_list_groups_of_device",
    "SELECT g.id AS group_id, g.name, g.slug, o.role::text AS role, m.added_by, " REGROUP_UTC(
        "m.added_at") " AS added_at "
                      "FROM device_group_memberships m JOIN groups g ON g.id = m.group_id AND "
                      "g.is_active "
                      "LEFT JOIN group_memberships o ON o.group_id = g.id AND o.user_id = $2 "
                      "WHERE m.device_id = $1 ORDER BY m.added_at, g.id LIMIT $3 OFFSET $4"};

inline constexpr Statement count_devices{"regroup_count_devices",
                                         "SELECT count(*) FROM devices WHERE owner_user_id = $1"};
/// $2: the current device, or NULL.
inline constexpr Statement list_devices{
    "regroup_list_devices",
    "SELECT device_id, display_name, group_id, platform, coalesce(active, false) AS active, "
    "coalesce(is_primary, false) AS is_primary, "
    "device_id = $2::uuid AS is_current, " REGROUP_UTC("linked_at") " AS linked_at, " REGROUP_UTC(
        "last_seen_at") " AS last_seen_at "
                        "FROM devices WHERE owner_user_id = $1 ORDER BY device_id LIMIT $3 OFFSET "
                        "$4"};

} // namespace regroup::db::statements

#undef REGROUP_UTC
