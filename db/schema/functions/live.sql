-- Cancels a migration that is running somewhere. It sends no signal: pg_cancel_backend() names a
-- process, not a transaction, and between the look at what the process does and the signal it may
-- have come to a COMMIT, which Regroup never cancels. Instead it settles the migration's id
-- (settle.sql): either its row is first, and the migration can no longer commit (it fails at its last
-- statement, or at lock_timeout if it is waiting); or the migration's record is first, committed or
-- about to be, and this function changes nothing.
CREATE OR REPLACE FUNCTION regroup_cancel_migration_v1(p_migration_id uuid) RETURNS text
LANGUAGE plpgsql VOLATILE
SET lock_timeout = '250ms' -- for an uncommitted record: its COMMIT is under way
AS $$
DECLARE
  live regroup_running;
BEGIN
  SELECT r.* INTO live FROM regroup_running r WHERE r.migration_id = p_migration_id;
  IF NOT FOUND THEN
    RETURN coalesce((SELECT CASE WHEN o.error_code = 'migration/cancelled' THEN 'was_cancelled'
                                 ELSE 'not_cancellable' END
                     FROM regroup_operations o WHERE o.id = p_migration_id AND o.kind = 'migration'),
                    (SELECT 'not_cancellable' FROM migration_audit_logs a WHERE a.id = p_migration_id),
                    'not_found');
  END IF;
  RETURN (SELECT CASE WHEN s.is_new THEN 'cancelled'
                      WHEN s.o_error_code = 'migration/cancelled' THEN 'was_cancelled'
                      ELSE 'not_cancellable' END
          FROM regroup_settle_v1('migration', p_migration_id, live.user_id,
            live.registration_group_id, NULL, 'none', 'migration/cancelled',
            'An administrator cancelled the migration', live.trace_id,
            (extract(epoch FROM now() - live.received_at) * 1000000)::bigint) s);
EXCEPTION WHEN lock_not_available THEN
  RETURN 'not_cancellable';
END
$$;

-- What is running now. For each migration that a replica publishes: who holds its registration
-- group's lock, since when, and what that session waits for. Its answer changes only when something
-- happens, so two answers can be compared.
--   queued      no session holds the lock: it waits for a connection, or for its lock
--   waiting     its session waits for a lock that `blocked_by` holds
--   running     its session works
--   committing  its COMMIT is under way, or waits for a standby
CREATE OR REPLACE FUNCTION regroup_live_v1() RETURNS json
LANGUAGE sql VOLATILE -- the sessions' state now, not at the transaction's start
AS $$
  SELECT coalesce(json_agg(json_build_object(
    'migration_id', r.migration_id, 'registration_group_id', r.registration_group_id,
    'user_id', r.user_id, 'replica', r.replica, 'trace_id', r.trace_id,
    'received_at', regroup_utc_text(r.received_at),
    'state', CASE WHEN h.pid IS NULL THEN 'queued'
                  WHEN h.wait_event = 'SyncRep' OR h.query ILIKE 'commit%' THEN 'committing'
                  WHEN h.wait_event_type = 'Lock' THEN 'waiting'
                  ELSE 'running' END,
    'lock', CASE WHEN h.pid IS NOT NULL THEN json_build_object(
      'key', own.lock_key::text, 'mode', h.mode, 'backend_pid', h.pid,
      'application_name', h.application_name, 'since', regroup_utc_text(h.xact_start)) END,
    'waits_for', CASE WHEN h.wait_event_type = 'Lock' THEN h.wait_event END,
    'blocked_by', (
      SELECT json_agg(json_build_object(
        'backend_pid', b.pid, 'application_name', b.application_name, 'state', b.state,
        'since', regroup_utc_text(b.xact_start)) ORDER BY b.pid)
      FROM pg_stat_activity b
      WHERE h.wait_event_type = 'Lock' AND b.pid = ANY (pg_blocking_pids(h.pid))))
    ORDER BY r.received_at, r.migration_id), '[]')
  FROM regroup_running r
  CROSS JOIN LATERAL regroup_lock_key(r.registration_group_id) AS own(lock_key)
  LEFT JOIN LATERAL (
    SELECT k.pid, k.mode, s.application_name, s.xact_start, s.query, s.wait_event_type, s.wait_event
    FROM pg_locks k JOIN pg_stat_activity s ON s.pid = k.pid
    WHERE k.locktype = 'advisory' AND k.objsubid = 1 AND k.granted
      AND k.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND ((k.classid::bigint << 32) | k.objid::bigint) = own.lock_key
    LIMIT 1) h ON true
  WHERE r.replica IS NOT NULL AND r.told_at > now() - interval '15 seconds'
    AND NOT regroup_has_ended(r.migration_id)
$$;
