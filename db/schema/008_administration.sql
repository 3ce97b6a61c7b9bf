-- What administrators read: the history, and what runs now.

-- The history, newest first, from any place in it: both columns, since many rows may share a time.
-- Of all that follows this and the next one alone cost a migration anything: docs/performance.md.
CREATE INDEX IF NOT EXISTS regroup_history ON migration_audit_logs (created_at, id);
-- One user's. They have few, so the time is enough of an order.
CREATE INDEX IF NOT EXISTS regroup_history_of_user ON migration_audit_logs (user_id, created_at);
-- Whatever is not a full success: rare, and not to be looked for among ten million others.
CREATE INDEX IF NOT EXISTS regroup_history_of_status ON migration_audit_logs (status, created_at, id)
  WHERE status <> 'success';
-- One registration group's: its success and its partial successes have their indexes (002).
CREATE INDEX IF NOT EXISTS regroup_history_of_group
  ON migration_audit_logs (registration_group_id, created_at)
  WHERE status NOT IN ('success', 'partial');

-- Migrations that have run for longer than most take, told by the replica that runs each: nothing of
-- an open transaction can be seen from outside but its locks, and a lock's key does not say whose it
-- is. A row is hearsay: who really holds the lock is read from pg_locks. Not logged: nobody needs it
-- after a crash.
CREATE UNLOGGED TABLE IF NOT EXISTS regroup_live_migrations (
  migration_id uuid PRIMARY KEY,
  registration_group_id varchar(255) NOT NULL,
  user_id uuid NOT NULL,
  replica varchar(128) NOT NULL,
  lock_key bigint NOT NULL,
  received_at timestamptz NOT NULL,
  trace_id varchar(32), -- of the request's traceparent
  seen_at timestamptz NOT NULL DEFAULT now() -- its replica still said so
);

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

CREATE OR REPLACE FUNCTION regroup_utc_text(at timestamptz) RETURNS text
LANGUAGE sql STABLE STRICT
AS $$
  SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
$$;

-- A row of the history.
CREATE OR REPLACE FUNCTION regroup_history_json(a migration_audit_logs) RETURNS json
LANGUAGE sql STABLE
AS $$
  SELECT json_build_object(
    'migration_id', a.id, 'status', a.status, 'registration_group_id', a.registration_group_id,
    'authenticated_group_id', a.authenticated_group_id, 'name', a.group_name, 'slug', a.group_slug,
    'user_id', a.user_id, 'devices_migrated', a.devices_migrated,
    'error', CASE WHEN a.status = 'failed' THEN json_build_object(
      'code', coalesce(a.error_code, 'server/internal'),
      'message', coalesce(a.error_message, 'The migration failed')) END,
    'duration_ms', a.duration_ms, 'trace_id', a.trace_id,
    'created_at', regroup_utc_text(a.created_at))
$$;

-- One migration with its timeline, all by the database's clock; of a row that another program wrote
-- less is known. created_at is the BEGIN of what was committed, and the end of what failed. duration_ms
-- is rounded, so with it alone a quick migration could seem to be committed before it had its locks.
CREATE OR REPLACE FUNCTION regroup_migration_json(a migration_audit_logs) RETURNS json
LANGUAGE sql STABLE
AS $$
  SELECT (regroup_history_json(a)::jsonb || jsonb_build_object(
    'device_ids', to_jsonb(a.device_ids), 'devices_remaining', coalesce(a.devices_remaining, 0),
    'ignored_device_ids', to_jsonb(coalesce(a.ignored_device_ids, '{}')),
    'rollback_trace_id', a.rollback_trace_id,
    'timeline', (
      SELECT jsonb_agg(jsonb_build_object('event', e.event, 'at', regroup_utc_text(e.at))
                       ORDER BY e.place)
      FROM (VALUES
        (1, 'received', a.received_at),
        (2, 'started', a.started_at),
        (3, 'locked', a.locked_at),
        (4, 'committed', CASE WHEN a.status <> 'failed' THEN greatest(
           a.locked_at, a.created_at + coalesce(a.duration_ms, 0) * interval '1 ms') END),
        (5, CASE WHEN a.error_code = 'migration/cancelled' THEN 'cancelled' ELSE 'failed' END,
            CASE WHEN a.status = 'failed' THEN a.created_at END),
        (6, 'rolled_back', a.rolled_back_at)
      ) AS e(place, event, at)
      WHERE e.at IS NOT NULL)))::json
$$;

-- Everything about the rows from p_from (included) to p_to (not included), in one snapshot, in steps of
-- hour, day, week or month, in UTC. A migration that was undone had succeeded first. How long after its
-- first device's registration a group was migrated is looked up for the newest 10,000 at most.
CREATE OR REPLACE FUNCTION regroup_analytics_v1(p_from timestamptz, p_to timestamptz, p_step text)
RETURNS json
LANGUAGE sql STABLE
AS $$
  WITH m AS MATERIALIZED (
    SELECT a.id, a.status, a.registration_group_id, a.group_name, a.devices_migrated, a.device_ids,
      a.duration_ms, a.created_at, a.status <> 'failed' AS succeeded,
      CASE WHEN a.status = 'failed' THEN coalesce(a.error_code, 'server/internal') END AS code,
      date_trunc(p_step, a.created_at AT TIME ZONE 'UTC') AS step
    FROM migration_audit_logs a
    WHERE a.created_at >= p_from AND a.created_at < p_to
  ), trend AS (
    SELECT m.step,
      count(*) FILTER (WHERE m.status = 'success') AS success,
      count(*) FILTER (WHERE m.status = 'partial') AS partial,
      count(*) FILTER (WHERE m.status = 'failed') AS failed,
      count(*) FILTER (WHERE m.status = 'rolled_back') AS rolled_back,
      sum(m.devices_migrated) FILTER (WHERE m.succeeded) AS devices,
      round(avg(m.duration_ms) FILTER (WHERE m.succeeded), 3) AS average,
      percentile_cont(0.95) WITHIN GROUP (ORDER BY m.duration_ms) FILTER (WHERE m.succeeded) AS p95
    FROM m GROUP BY m.step
  ), waits AS (
    SELECT extract(epoch FROM n.created_at - min(d.created_at)) AS seconds
    FROM (SELECT * FROM m WHERE succeeded ORDER BY created_at DESC, id DESC LIMIT 10000) n
    CROSS JOIN LATERAL unnest(n.device_ids) AS migrated(device_id)
    JOIN devices d ON d.device_id = migrated.device_id
    GROUP BY n.id, n.created_at
  )
  SELECT json_build_object(
    'from', regroup_utc_text(p_from), 'to', regroup_utc_text(p_to), 'granularity', p_step,
    'totals', (
      SELECT json_build_object(
        'migrations', count(*),
        'success', count(*) FILTER (WHERE status = 'success'),
        'partial', count(*) FILTER (WHERE status = 'partial'),
        'failed', count(*) FILTER (WHERE status = 'failed'),
        'rolled_back', count(*) FILTER (WHERE status = 'rolled_back'),
        'devices', coalesce(sum(devices_migrated) FILTER (WHERE succeeded), 0)) FROM m),
    'success_rate', (SELECT round(avg(succeeded::int), 6) FROM m),
    'devices', (
      SELECT json_build_object(
        'average', round(avg(devices_migrated), 3),
        'p95', percentile_cont(0.95) WITHIN GROUP (ORDER BY devices_migrated)) FROM m WHERE succeeded),
    'duration_ms', (
      SELECT json_build_object(
        'average', round(avg(duration_ms), 3),
        'p95', percentile_cont(0.95) WITHIN GROUP (ORDER BY duration_ms)) FROM m WHERE succeeded),
    'trend', (
      SELECT coalesce(json_agg(json_build_object(
        'at', to_char(s.step, 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
        'success', coalesce(t.success, 0), 'partial', coalesce(t.partial, 0),
        'failed', coalesce(t.failed, 0), 'rolled_back', coalesce(t.rolled_back, 0),
        'devices', coalesce(t.devices, 0),
        'duration_ms_average', t.average, 'duration_ms_p95', t.p95) ORDER BY s.step), '[]')
      FROM generate_series(date_trunc(p_step, p_from AT TIME ZONE 'UTC'),
                           (p_to AT TIME ZONE 'UTC') - interval '1 us',
                           ('1 ' || p_step)::interval) AS s(step)
      LEFT JOIN trend t ON t.step = s.step),
    'largest', (
      SELECT coalesce(json_agg(json_build_object(
        'migration_id', l.id, 'registration_group_id', l.registration_group_id,
        'name', l.group_name, 'devices_migrated', l.devices_migrated,
        'created_at', regroup_utc_text(l.created_at))
        ORDER BY l.devices_migrated DESC, l.created_at, l.id), '[]')
      FROM (SELECT * FROM m WHERE succeeded
            ORDER BY devices_migrated DESC, created_at, id LIMIT 10) l),
    'errors', (
      SELECT coalesce(json_agg(json_build_object('code', e.code, 'count', e.count)
                               ORDER BY e.count DESC, e.code), '[]')
      FROM (SELECT code, count(*) FROM m WHERE code IS NOT NULL GROUP BY code) e),
    'seconds_since_registration', (
      SELECT json_build_object(
        'average', round(avg(seconds), 3),
        'p95', percentile_cont(0.95) WITHIN GROUP (ORDER BY seconds),
        'migrations', count(*)) FROM waits))
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
