#pragma once
// Statements of events.cpp, and of administration.cpp for webhooks. functions/events.sql says which
// rows they lock, and in what order.
#include "db/statements.hpp"

namespace regroup::db::statements {

inline constexpr Statement claim_events{
    "regroup_claim_events",
    "SELECT id, endpoint_id, url, secret, type, body FROM regroup_claim_events_v2("
    "$1::uuid[], $2::uuid[], $3::int, $4 * interval '1 ms')"};

inline constexpr Statement settle_events{
    "regroup_settle_events",
    "SELECT regroup_settle_events_v2($1::bigint[], $2::text[], $3::text[], $4::int[])"};

inline constexpr Statement has_endpoints{
    "regroup_has_endpoints",
    "SELECT EXISTS (SELECT FROM regroup_webhook_endpoints WHERE is_active) AS has_endpoints"};

/// Returns the secret, this once only.
inline constexpr Statement insert_webhook{
    "regroup_insert_webhook",
    "INSERT INTO regroup_webhook_endpoints (id, url, secret) VALUES ($1::uuid, $2::text, $3::text) "
    "ON CONFLICT (id) DO UPDATE SET url = excluded.url " // asked again: the answer was lost
    "RETURNING json_build_object('id', id, 'url', url, 'secret', secret, "
    "'created_at', regroup_utc_text(created_at)) AS document"};

inline constexpr Statement list_webhooks{"regroup_list_webhooks",
                                         "SELECT regroup_webhooks_json() AS document"};

inline constexpr Statement delete_webhook{"regroup_delete_webhook",
                                          "SELECT regroup_delete_webhook_v1($1) AS deleted"};

inline constexpr Statement enable_webhook{"regroup_enable_webhook",
                                          "SELECT regroup_enable_webhook_v1($1) AS enabled"};

/// A page in the order in which the events happened; no row if there is no such endpoint.
inline constexpr Statement list_dead_events{
    "regroup_list_dead_events",
    "SELECT regroup_dead_events_json(w.id, $2::bigint, $3::int) AS document "
    "FROM regroup_webhook_endpoints w WHERE w.id = $1"};

inline constexpr Statement redeliver_events{
    "regroup_redeliver_events", "SELECT regroup_redeliver_events_v1($1, $2::bigint[]) AS moved"};

} // namespace regroup::db::statements
