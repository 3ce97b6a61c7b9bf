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

/// A page of the history. A registration group's rows are in three partial indexes, so there is a
/// term for each.
inline constexpr Statement read_history{"regroup_read_history", R"sql(
  SELECT a.id, regroup_history_json(a) AS document,
    to_char(a.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS position
  FROM migration_audit_logs a
  WHERE a.registration_group_id <> '' -- known by its id alone (settle.sql)
    AND ($1::uuid IS NULL OR a.user_id = $1::uuid)
    AND ($2::migration_status IS NULL OR a.status = $2::migration_status)
    AND ($3::text IS NULL
      OR (a.registration_group_id = $3::text AND a.status = 'success')
      OR (a.registration_group_id = $3::text AND a.status = 'partial')
      OR (a.registration_group_id = $3::text AND a.status NOT IN ('success', 'partial')))
    AND ($4::timestamptz IS NULL OR a.created_at >= $4::timestamptz)
    AND ($5::timestamptz IS NULL OR a.created_at < $5::timestamptz)
    AND ($6::timestamptz IS NULL OR (a.created_at, a.id) < ($6::timestamptz, $7::uuid))
  ORDER BY a.created_at DESC, a.id DESC
  LIMIT $8::bigint)sql"};

inline constexpr Statement read_migration{
    "regroup_read_migration",
    "SELECT regroup_migration_json(a) AS document FROM migration_audit_logs a WHERE a.id = $1"};

inline constexpr Statement read_analytics{
    "regroup_read_analytics",
    "SELECT regroup_analytics_v1($1::timestamptz, $2::timestamptz, $3) AS document"};

inline constexpr Statement read_live{"regroup_read_live", "SELECT regroup_live_v1() AS document"};

inline constexpr Statement cancel_migration{"regroup_cancel_migration",
                                            "SELECT regroup_cancel_migration_v1($1) AS outcome"};

} // namespace regroup::db::statements
