#pragma once
// The statements of the serving code, except those in the other *_statements.hpp files and the
// schema's own (db/schema/). The functions that a migration and a registration call are described
// in functions/migrate.sql and functions/devices.sql.

namespace regroup::db {

struct Statement {
  const char* name; // of the prepared statement, if those are on
  const char* sql;
};

namespace statements {

/// transaction.cpp: the start of every transaction. READ COMMITTED by name: the migration's
/// function relies on a new snapshot for each statement, and the database's default may be another.
inline constexpr Statement begin{"regroup_begin",
                                 "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"};
/// The timeouts in milliseconds, for this transaction only, where the session may be another one in
/// the next. A statement is planned once per session, perhaps while the tables are empty: so no
/// sequential scans, which its plan would keep while they fill; and always the generic plan,
/// because the planner otherwise believes a plan for the actual values to be better whenever an
/// array is among them, and makes a new one each time.
inline constexpr Statement set_local{
    "regroup_set_local",
    "SELECT set_config('lock_timeout', $1, true), set_config('statement_timeout', $2, true), "
    "set_config('idle_in_transaction_session_timeout', $3, true), "
    "set_config('enable_seqscan', 'off', true), "
    "set_config('plan_cache_mode', 'force_generic_plan', true)"};
/// session.cpp: the same for the whole session, and a row, if the backend is the one that the
/// client was told of when it connected ($4): then no pooler is in between that could give it to
/// others.
inline constexpr Statement set_for_session{
    "regroup_set_for_session",
    "SELECT set_config('lock_timeout', $1, false), set_config('statement_timeout', $2, false), "
    "set_config('idle_in_transaction_session_timeout', $3, false), "
    "set_config('enable_seqscan', 'off', false), "
    "set_config('plan_cache_mode', 'force_generic_plan', false) "
    "WHERE pg_backend_pid() = $4"};
inline constexpr Statement commit{"regroup_commit", "COMMIT"};
inline constexpr Statement rollback{"regroup_rollback", "ROLLBACK"};

/// pg_store.cpp: does the server still answer?
inline constexpr Statement prove{"regroup_prove", "SELECT"};

/// migration.cpp, in one round trip with BEGIN and COMMIT. Takes every lock of a migration; see
/// functions/migrate.sql.
inline constexpr Statement migrate{
    "regroup_migrate",
    "SELECT regroup_migrate_v3($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, "
    "$16, $17, $18) AS composite"};

/// settlement.cpp, in one round trip with BEGIN and COMMIT; progress.cpp inside a transaction. May
/// wait for the registration group's lock, up to lock_timeout; see functions/settle.sql.
inline constexpr Statement settle{
    "regroup_settle",
    "SELECT outcome, o_error_code, o_migration_id, o_group_id, o_name, o_slug, o_device_ids, "
    "o_remaining, o_ignored, array_to_string(o_verdicts, ',') AS verdicts, "
    "to_char(o_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') AS at "
    "FROM regroup_settle_v1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"};

/// settlement.cpp, in one round trip with BEGIN and COMMIT; see functions/settle.sql.
inline constexpr Statement settle_abandoned{
    "regroup_settle_abandoned", "SELECT regroup_settle_abandoned_v1($1, $2, $3, $4) AS fenced"};

/// settlement.cpp, after a lock_timeout: who holds rows of the registration group's devices. The
/// name of a session is another program's word, and is cut. Takes no lock.
inline constexpr Statement find_lock_holders{
    "regroup_find_lock_holders",
    "SELECT string_agg(DISTINCT format('%s (process %s, since %s)', "
    "coalesce(nullif(left(s.application_name, 63), ''), 'a session'), s.pid, "
    "coalesce(to_char(s.xact_start AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), "
    "'an unknown time')), ', ') AS holders "
    "FROM devices d JOIN pg_locks l ON l.locktype = 'transactionid' AND l.granted "
    "AND l.transactionid = d.xmax JOIN pg_stat_activity s ON s.pid = l.pid "
    "WHERE d.group_id = $1 AND s.pid <> pg_backend_pid()"};

/// settlement.cpp: an undo or a change of devices ($1), for a user ($2) or an administrator (NULL).
/// Returns a row even if there is no such operation. Takes no lock.
inline constexpr Statement find_operation{
    "regroup_find_operation",
    "SELECT $2::uuid IS NULL OR EXISTS (SELECT FROM users u WHERE u.id = $2 AND u.is_active) "
    "AS may_ask, o.id, o.user_id, o.kind, o.group_id, o.status, o.error_code, o.error_message, "
    "to_char(o.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') AS ended_at "
    "FROM (SELECT) one "
    "LEFT JOIN regroup_operations o ON o.id = $1 AND o.kind IS DISTINCT FROM 'migration'"};

/// migration.cpp, for the status of a migration. Takes no lock.
inline constexpr Statement find_migration{
    "regroup_find_migration",
    "SELECT a.id, a.user_id, a.registration_group_id, "
    "coalesce(a.authenticated_group_id, a.undone_group_id) AS authenticated_group_id, "
    "a.device_ids, regroup_status(a) AS status, "
    "coalesce(a.error_code, 'server/internal') AS error_code, "
    "coalesce(a.error_message, 'The migration failed') AS error_message, "
    "coalesce(a.group_name, '') AS group_name, coalesce(a.group_slug, '') AS group_slug, "
    "coalesce(a.devices_remaining, 0) AS devices_remaining, "
    "coalesce(a.ignored_device_ids, '{}') AS ignored_device_ids, "
    "to_char(a.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') AS created_at, "
    "to_char(a.rolled_back_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') "
    "AS rolled_back_at "
    "FROM (SELECT (t).* FROM (SELECT a AS t FROM migration_audit_logs a WHERE a.id = $1 "
    "  UNION ALL SELECT regroup_failed_as_audit(o) FROM regroup_operations o WHERE o.id = $1 "
    "    AND o.status = 'failed' AND coalesce(o.kind, 'migration') = 'migration') either) a"};

/// recall.cpp: the recorded full migration, and what each of the users may know of it. No row if
/// there is none, or its group is gone. Takes no lock: it reads only what has committed, so the
/// answer is true for that moment.
inline constexpr Statement recall_migration{
    "regroup_recall_migration",
    "SELECT asker.id AS user_id, coalesce(u.is_active, false) AS is_active, a.id AS migration_id, "
    "a.authenticated_group_id, "
    "CASE WHEN m.user_id IS NULL AND a.user_id <> asker.id THEN g.name END AS group_name, "
    "m.user_id IS NOT NULL OR a.user_id = asker.id "
    "OR EXISTS (SELECT FROM devices d WHERE d.device_id = ANY (a.device_ids) "
    "  AND d.owner_user_id = asker.id) AS concerned "
    "FROM migration_audit_logs a "
    "JOIN groups g ON g.id = a.authenticated_group_id AND g.is_active "
    "CROSS JOIN unnest($2::uuid[]) AS asker(id) "
    "LEFT JOIN users u ON u.id = asker.id "
    "LEFT JOIN group_memberships m ON m.group_id = a.authenticated_group_id "
    "  AND m.user_id = asker.id "
    "WHERE a.registration_group_id = $1 AND a.status = 'success'"};

/// progress.cpp, before it writes or deletes a row of what runs. Those rows promise nothing: they
/// need only be on this server's disk and wait for no standby, so that a migration whose COMMIT
/// does wait can still be reported.
inline constexpr Statement promise_nothing{
    "regroup_promise_nothing", "SELECT pg_catalog.set_config('synchronous_commit', 'local', true)"};

/// progress.cpp. Takes no lock; see functions/running.sql.
inline constexpr Statement note_running{
    "regroup_note_running", "SELECT regroup_note_running_v1($1, $2, $3, $4, $5, $6) AS total"};

/// progress.cpp, for all migrations that this replica runs. Locks their rows, which no other
/// replica writes while this one publishes; see functions/running.sql.
inline constexpr Statement publish_running{
    "regroup_publish_running",
    "SELECT regroup_publish_running_v1($1, $2::uuid[], $3::uuid[], $4::text[], $5::bigint[], "
    "$6::text[], $7::bigint[], $8::bigint[], $9::boolean[])"};

/// progress.cpp: the migration has ended, and the audit says how.
inline constexpr Statement forget_running{"regroup_forget_running",
                                          "DELETE FROM regroup_running WHERE migration_id = $1"};

/// progress.cpp. May take a registration group's advisory lock; see functions/running.sql.
inline constexpr Statement find_running{
    "regroup_find_running",
    "SELECT outcome, o_user_id, o_registration_group_id, o_total, o_processed "
    "FROM regroup_find_running_v1($1, $2)"};

/// plan.cpp. Takes no lock and writes nothing; see functions/plan.sql.
inline constexpr Statement plan{
    "regroup_plan", "SELECT outcome, o_migration_id, o_group_id, o_name, o_slug, o_to_migrate, "
                    "o_device_ids, o_remaining, o_ignored, o_device_count, o_linked, o_owned "
                    "FROM regroup_plan_v2($1, $2, $3, $4, $5, $6, $7, $8)"};

/// undo.cpp: also finds a group that was undone. Takes no lock.
inline constexpr Statement find_origin{
    "regroup_find_origin", "SELECT registration_group_id FROM migration_audit_logs "
                           "WHERE authenticated_group_id = $1 AND status IN ('success', 'partial') "
                           "UNION ALL SELECT registration_group_id FROM migration_audit_logs "
                           "WHERE undone_group_id = $1 LIMIT 1"};

/// undo.cpp, in one round trip with BEGIN and COMMIT. Takes every lock of an undo; see
/// functions/undo.sql.
inline constexpr Statement undo{
    "regroup_undo",
    "SELECT outcome, o_migration_id, o_device_ids, "
    "to_char(o_rolled_back_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') "
    "AS at FROM regroup_undo_v1($1, $2, $3, $4, $5, $6, $7)"};

/// devices.cpp. Takes the members' lock shared, then the device's row; see functions/devices.sql.
inline constexpr Statement register_device{
    "regroup_register_device",
    "SELECT r.outcome, r.o_group_id, r.o_owner, r.o_migration_id, r.o_authenticated_group_id, "
    "r.o_name, d.o_is_primary, d.o_linked_at, d.o_created_at, d.o_updated_at "
    "FROM regroup_register_device_v2($1, $2, $3, $4, $5, $6) r, "
    "LATERAL regroup_registered_device($1, r.outcome) d"};

/// devices.cpp. Takes no lock.
inline constexpr Statement find_registration_group{
    "regroup_find_registration_group",
    "SELECT d.device_id, d.display_name, d.group_id, "
    "regroup_utc_text(d.last_seen_at) AS last_seen_at, "
    "a.id IS NULL AND s.string <> '' AND NOT EXISTS (SELECT FROM groups g "
    "  WHERE g.slug = s.string AND g.is_active) AS is_registration_group, "
    "coalesce(a.registration_group_id, s.string) AS registration_group_id, "
    "a.id AS migration_id, a.authenticated_group_id, "
    "(SELECT g.name FROM groups g WHERE g.id = a.authenticated_group_id) AS group_name, "
    "CASE WHEN a.id IS NULL "
    "  THEN greatest((SELECT count(*) FROM regroup_devices_in(s.string)), 1) "
    "  ELSE (SELECT count(*) FROM devices o WHERE o.device_id = ANY (a.device_ids) AND o.active) "
    "END AS device_count "
    "FROM devices d "
    "CROSS JOIN LATERAL (SELECT regroup_string_of(d.device_id) AS string) s "
    "LEFT JOIN LATERAL (SELECT a.* FROM regroup_migrations_of(d.device_id) m "
    "  JOIN migration_audit_logs a ON a.id = m.migration_id "
    "  ORDER BY a.created_at DESC LIMIT 1) a ON true "
    "WHERE d.owner_user_id = $1 AND d.active AND ($2::uuid IS NULL OR d.device_id = $2) "
    "ORDER BY d.is_primary DESC, d.linked_at DESC NULLS LAST, d.device_id LIMIT 1"};

/// callers.cpp: does the group exist, and is the user a member? Takes no lock.
inline constexpr Statement find_membership{
    "regroup_find_membership",
    "SELECT m.user_id IS NOT NULL AS is_member FROM groups g "
    "LEFT JOIN group_memberships m ON m.group_id = g.id AND m.user_id = $2 "
    "WHERE g.id = $1 AND g.is_active"};

/// devices.cpp. Takes no lock.
inline constexpr Statement count_group_devices{
    "regroup_count_group_devices",
    "SELECT count(*) FROM regroup_devices_of_group($1) m JOIN devices d USING (device_id)"};

/// devices.cpp: a page, by ascending device id. Takes no lock.
inline constexpr Statement list_group_devices{
    "regroup_list_group_devices",
    "SELECT d.device_id, d.display_name, d.platform, d.owner_user_id, d.active, "
    "to_char(m.added_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') AS added_at, "
    "to_char(d.last_seen_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') AS "
    "last_seen_at "
    "FROM regroup_devices_of_group($1) m JOIN devices d ON d.device_id = m.device_id "
    "ORDER BY m.device_id LIMIT $2 OFFSET $3"};

/// callers.cpp: for reads; the user may have been deactivated. Takes no lock.
inline constexpr Statement user_is_active{"regroup_user_is_active",
                                          "SELECT FROM users WHERE id = $1 AND is_active"};

/// pg_store.cpp. Takes no lock.
inline constexpr Statement find_api_key{
    "regroup_find_api_key", "SELECT id, is_admin FROM api_keys WHERE key_hash = $1 AND is_active "
                            "AND (expires_at IS NULL OR expires_at > now())"};

/// pg_store.cpp: does the database answer and have the schema's newest step?
inline constexpr Statement check_health{"regroup_check_health",
                                        "SELECT max(step) AS step FROM regroup_schema"};

/// admin.cpp (`regroup demo`): whether a registration group was migrated, and the rows that make
/// one.
inline constexpr Statement was_migrated{
    "regroup_was_migrated",
    "SELECT EXISTS (SELECT FROM migration_audit_logs "
    "WHERE registration_group_id = $1 AND status IN ('success', 'partial'))"};
/// The user may be there already, under another id: the operations page makes one with this
/// address.
inline constexpr Statement find_or_insert_demo_user{
    "regroup_find_or_insert_demo_user",
    "WITH found AS (SELECT id FROM users WHERE id = $1::uuid OR email = $2), "
    "made AS (INSERT INTO users (id, email, display_name) SELECT $1::uuid, $2, $3 "
    "  WHERE NOT EXISTS (SELECT FROM found) RETURNING id) "
    "SELECT id FROM found UNION ALL SELECT id FROM made LIMIT 1"};
inline constexpr Statement insert_demo_device{
    "regroup_insert_demo_device",
    "INSERT INTO devices (device_id, display_name, group_id, platform, owner_user_id, linked_at) "
    "SELECT $1::uuid, $2, $3::text, 'android', $4::uuid, now() "
    "WHERE (SELECT count(*) FROM devices "
    "  WHERE group_id = $3::text) < 3"};

} // namespace statements
} // namespace regroup::db
