-- Cancels a migration that runs somewhere. No signal is sent: pg_cancel_backend() names a process,
-- not a transaction, and between the look at what the process does and the signal it may have come to
-- a COMMIT, which Regroup never cancels. Instead the migration's own id is taken: a migration ends by
-- writing its audit row, and an id can be written once. So either this row is first, and the migration
-- cannot be committed any more (it fails at its last statement, or at lock_timeout where it waits); or
-- the migration's row is, committed or about to be, and this function changes nothing.
CREATE OR REPLACE FUNCTION regroup_cancel_migration_v1(p_migration_id uuid) RETURNS text
LANGUAGE plpgsql VOLATILE
SET lock_timeout = '250ms' -- for a row that is there and not committed: its COMMIT is under way
AS $$
DECLARE
  live regroup_live_migrations;
BEGIN
  SELECT l.* INTO live FROM regroup_live_migrations l WHERE l.migration_id = p_migration_id;
  IF NOT FOUND THEN
    RETURN CASE WHEN EXISTS (SELECT FROM migration_audit_logs a WHERE a.id = p_migration_id)
                THEN 'not_cancellable' ELSE 'not_found' END;
  END IF;
  INSERT INTO migration_audit_logs (
    id, user_id, registration_group_id, status, error_code, error_message, duration_ms, trace_id,
    received_at)
  VALUES (
    p_migration_id, live.user_id, live.registration_group_id, 'failed', 'migration/cancelled',
    'An administrator cancelled the migration',
    (extract(epoch FROM now() - live.received_at) * 1000)::int, live.trace_id, live.received_at)
  ON CONFLICT (id) DO NOTHING;
  RETURN CASE WHEN FOUND THEN 'cancelled' ELSE 'not_cancellable' END;
EXCEPTION WHEN lock_not_available THEN
  RETURN 'not_cancellable';
END
$$;

-- A replica tells what runs there, and with it what runs there no longer. Rows of replicas that ended
-- without a word go after a minute.
CREATE OR REPLACE FUNCTION regroup_publish_live_v1(
  p_replica text, p_migration_ids uuid[], p_user_ids uuid[], p_groups text[], p_ages_ms bigint[],
  p_trace_ids text[]) -- an empty one: none
RETURNS void
LANGUAGE sql VOLATILE
AS $$
  DELETE FROM regroup_live_migrations l
  WHERE (l.replica = p_replica AND l.migration_id <> ALL (p_migration_ids))
     OR l.seen_at < now() - interval '1 minute';
  INSERT INTO regroup_live_migrations AS l (
    migration_id, registration_group_id, user_id, replica, lock_key, received_at, trace_id)
  SELECT m.id, m.registration_group_id, m.user_id, p_replica,
    regroup_lock_key(m.registration_group_id), now() - m.age * interval '1 ms',
    nullif(m.trace_id, '')
  FROM unnest(p_migration_ids, p_user_ids, p_groups, p_ages_ms, p_trace_ids)
    AS m(id, user_id, registration_group_id, age, trace_id)
  ON CONFLICT (migration_id) DO UPDATE SET seen_at = now()
  WHERE l.seen_at < now() - interval '2 seconds';
$$;

-- What runs now. Of each migration that a replica has told of: who holds its registration group's lock,
-- since when, and what that session waits for. Nothing in it changes from one call to the next but by
-- what happens, so that two answers can be compared.
--   queued      no session holds the lock: it waits for a connection, or for its lock
--   waiting     its session waits for a lock that `blocked_by` holds
--   running     its session works
--   committing  its COMMIT is under way, or waits for a standby
CREATE OR REPLACE FUNCTION regroup_live_v1() RETURNS json
LANGUAGE sql VOLATILE -- the sessions' state is of now, not of the transaction's beginning
AS $$
  SELECT coalesce(json_agg(json_build_object(
    'migration_id', l.migration_id, 'registration_group_id', l.registration_group_id,
    'user_id', l.user_id, 'replica', l.replica, 'trace_id', l.trace_id,
    'received_at', regroup_utc_text(l.received_at),
    'state', CASE WHEN h.pid IS NULL THEN 'queued'
                  WHEN h.wait_event = 'SyncRep' OR h.query ILIKE 'commit%' THEN 'committing'
                  WHEN h.wait_event_type = 'Lock' THEN 'waiting'
                  ELSE 'running' END,
    'lock', CASE WHEN h.pid IS NOT NULL THEN json_build_object(
      'key', l.lock_key::text, 'mode', h.mode, 'backend_pid', h.pid,
      'application_name', h.application_name, 'since', regroup_utc_text(h.xact_start)) END,
    'waits_for', CASE WHEN h.wait_event_type = 'Lock' THEN h.wait_event END,
    'blocked_by', (
      SELECT json_agg(json_build_object(
        'backend_pid', b.pid, 'application_name', b.application_name, 'state', b.state,
        'since', regroup_utc_text(b.xact_start)) ORDER BY b.pid)
      FROM pg_stat_activity b
      WHERE h.wait_event_type = 'Lock' AND b.pid = ANY (pg_blocking_pids(h.pid))))
    ORDER BY l.received_at, l.migration_id), '[]')
  FROM regroup_live_migrations l
  LEFT JOIN LATERAL (
    SELECT k.pid, k.mode, s.application_name, s.xact_start, s.query, s.wait_event_type, s.wait_event
    FROM pg_locks k JOIN pg_stat_activity s ON s.pid = k.pid
    WHERE k.locktype = 'advisory' AND k.objsubid = 1 AND k.granted
      AND k.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND ((k.classid::bigint << 32) | k.objid::bigint) = l.lock_key
    LIMIT 1) h ON true
  WHERE l.seen_at > now() - interval '15 seconds'
$$;
