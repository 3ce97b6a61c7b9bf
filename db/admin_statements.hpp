#pragma once
// Statements of administration.cpp; the functions are described in functions/history.sql and
// live.sql. Only cancel_migration takes a lock.
#include "db/statements.hpp"

namespace regroup::db::statements {

/// Runs before each of them: plan for the filters at hand, so that a filter that was not given
/// drops out of the plan, and a partial index that fits a given one is recognised. A scan of the
/// whole table is right for the analytics of all time.
inline constexpr Statement plan_for_values{
    "regroup_plan_for_values", "SELECT set_config('plan_cache_mode', 'force_custom_plan', true), "
                               "set_config('enable_seqscan', 'on', true)"};

/// A page of the history: of the audit, and of what failed. A registration group's rows in the
/// audit are in three partial indexes, so there is a term for each. $2 is the status in the audit,
/// $9 whether the migration was undone (NULL: all the same).
inline constexpr Statement read_history{"regroup_read_history", R"sql(
  SELECT h.id, regroup_history_json(h.record) AS document,
    to_char(h.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS position
  FROM (
  (SELECT a.id, a.created_at, a AS record
  FROM migration_audit_logs a
  WHERE ($1::uuid IS NULL OR a.user_id = $1::uuid)
    AND ($2::migration_status IS NULL OR a.status = $2::migration_status)
    AND ($9::boolean IS NULL OR (a.rolled_back_at IS NOT NULL) = $9::boolean)
    AND ($3::text IS NULL
      OR (a.registration_group_id = $3::text AND a.status = 'success')
      OR (a.registration_group_id = $3::text AND a.status = 'partial')
      OR (a.registration_group_id = $3::text AND a.status NOT IN ('success', 'partial')))
    AND ($4::timestamptz IS NULL OR a.created_at >= $4::timestamptz)
    AND ($5::timestamptz IS NULL OR a.created_at < $5::timestamptz)
    AND ($6::timestamptz IS NULL OR (a.created_at, a.id) < ($6::timestamptz, $7::uuid))
  ORDER BY a.created_at DESC, a.id DESC
  LIMIT $8::bigint)
  UNION ALL
  (SELECT o.id, o.created_at, regroup_failed_as_audit(o)
  FROM regroup_operations o
  WHERE o.kind = 'migration'
    AND ($1::uuid IS NULL OR o.user_id = $1::uuid)
    AND ($2::migration_status IS NULL
      OR ($2::migration_status = 'failed' AND $9::boolean IS NOT TRUE))
    AND ($3::text IS NULL OR o.registration_group_id = $3::text)
    AND ($4::timestamptz IS NULL OR o.created_at >= $4::timestamptz)
    AND ($5::timestamptz IS NULL OR o.created_at < $5::timestamptz)
    AND ($6::timestamptz IS NULL OR (o.created_at, o.id) < ($6::timestamptz, $7::uuid))
  ORDER BY o.created_at DESC, o.id DESC
  LIMIT $8::bigint)) h
  ORDER BY h.created_at DESC, h.id DESC
  LIMIT $8::bigint)sql"};

inline constexpr Statement read_migration{
    "regroup_read_migration",
    "SELECT regroup_migration_json(a) AS document FROM migration_audit_logs a WHERE a.id = $1 "
    "UNION ALL SELECT regroup_migration_json(regroup_failed_as_audit(o)) FROM regroup_operations o "
    "WHERE o.id = $1 AND o.kind = 'migration'"};

inline constexpr Statement read_analytics{
    "regroup_read_analytics",
    "SELECT regroup_analytics_v1($1::timestamptz, $2::timestamptz, $3) AS document"};

inline constexpr Statement read_live{"regroup_read_live", "SELECT regroup_live_v1() AS document"};

inline constexpr Statement cancel_migration{"regroup_cancel_migration",
                                            "SELECT regroup_cancel_migration_v1($1) AS outcome"};

} // namespace regroup::db::statements
