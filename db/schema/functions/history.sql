CREATE OR REPLACE FUNCTION regroup_utc_text(at timestamptz) RETURNS text
LANGUAGE sql STABLE STRICT
AS $$
  SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
$$;

-- The status of a migration: other programs read one that was undone as 'failed'.
CREATE OR REPLACE FUNCTION regroup_status(a migration_audit_logs) RETURNS text
LANGUAGE sql STABLE
AS $$
  SELECT CASE WHEN a.rolled_back_at IS NOT NULL THEN 'rolled_back' ELSE a.status::text END
$$;

-- A failed migration as a row of the audit: they have the names of their columns in common.
CREATE OR REPLACE FUNCTION regroup_failed_as_audit(o regroup_operations) RETURNS migration_audit_logs
LANGUAGE sql STABLE
AS $$
  SELECT jsonb_populate_record(NULL::migration_audit_logs,
    to_jsonb(o) || '{"devices_migrated": 0, "device_ids": []}')
$$;

-- A row of the history.
CREATE OR REPLACE FUNCTION regroup_history_json(a migration_audit_logs) RETURNS json
LANGUAGE sql STABLE
AS $$
  SELECT json_build_object(
    'migration_id', a.id, 'status', regroup_status(a),
    'registration_group_id', a.registration_group_id,
    'authenticated_group_id', coalesce(a.authenticated_group_id, a.undone_group_id),
    'name', a.group_name, 'slug', a.group_slug,
    'user_id', a.user_id, 'devices_migrated', a.devices_migrated,
    'error', CASE WHEN regroup_status(a) = 'failed' THEN json_build_object(
      'code', coalesce(a.error_code, 'server/internal'),
      'message', coalesce(a.error_message, 'The migration failed')) END,
    'duration_ms', a.duration_ms, 'trace_id', a.trace_id,
    'created_at', regroup_utc_text(a.created_at))
$$;

-- One migration with its timeline, all by the database's clock; less is known of a row that another
-- program wrote. created_at is the BEGIN of a committed migration, and the end of a failed one.
-- duration_ms is rounded: by it alone a quick migration could seem to be committed before it had
-- its locks.
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
        (4, 'committed', CASE WHEN regroup_status(a) <> 'failed' THEN greatest(
           a.locked_at, a.created_at + coalesce(a.duration_ms, 0) * interval '1 ms') END),
        (5, CASE WHEN a.error_code = 'migration/cancelled' THEN 'cancelled' ELSE 'failed' END,
            CASE WHEN regroup_status(a) = 'failed' THEN a.created_at END),
        (6, 'rolled_back', a.rolled_back_at)
      ) AS e(place, event, at)
      WHERE e.at IS NOT NULL)))::json
$$;

-- Everything about the rows from p_from (inclusive) to p_to (exclusive), in one snapshot, in steps
-- of hour, day, week or month, in UTC. A migration that was undone counts as a success. The time
-- from the registration of its first device to a group's migration is computed for the newest
-- 10,000 at most.
CREATE OR REPLACE FUNCTION regroup_analytics_v1(p_from timestamptz, p_to timestamptz, p_step text)
RETURNS json
LANGUAGE sql STABLE
AS $$
  WITH m AS MATERIALIZED (
    SELECT a.id, regroup_status(a) AS status, a.registration_group_id, a.group_name,
      a.devices_migrated, a.device_ids, a.duration_ms, a.created_at,
      regroup_status(a) <> 'failed' AS succeeded,
      CASE WHEN regroup_status(a) = 'failed' THEN coalesce(a.error_code, 'server/internal') END AS code,
      date_trunc(p_step, a.created_at AT TIME ZONE 'UTC') AS step
    FROM migration_audit_logs a
    WHERE a.created_at >= p_from AND a.created_at < p_to
    UNION ALL
    SELECT o.id, o.status, o.registration_group_id, NULL, 0, '{}', o.duration_ms, o.created_at, false,
      coalesce(o.error_code, 'server/internal'), date_trunc(p_step, o.created_at AT TIME ZONE 'UTC')
    FROM regroup_operations o
    WHERE o.kind = 'migration' AND o.created_at >= p_from AND o.created_at < p_to
  ), trend AS (
    SELECT m.step,
      count(*) FILTER (WHERE m.status = 'success') AS success,
      count(*) FILTER (WHERE m.status = 'partial') AS partial,
      count(*) FILTER (WHERE m.status = 'failed') AS failed,
      count(*) FILTER (WHERE m.status = 'rolled_back') AS rolled_back,
      sum(m.devices_migrated) FILTER (WHERE m.succeeded) AS devices,
      round(avg(m.duration_ms) FILTER (WHERE m.succeeded), 3) AS average,
      percentile_cont(0.5) WITHIN GROUP (ORDER BY m.duration_ms) FILTER (WHERE m.succeeded) AS median,
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
        'median', percentile_cont(0.5) WITHIN GROUP (ORDER BY devices_migrated),
        'p95', percentile_cont(0.95) WITHIN GROUP (ORDER BY devices_migrated)) FROM m WHERE succeeded),
    'duration_ms', (
      SELECT json_build_object(
        'average', round(avg(duration_ms), 3),
        'median', percentile_cont(0.5) WITHIN GROUP (ORDER BY duration_ms),
        'p95', percentile_cont(0.95) WITHIN GROUP (ORDER BY duration_ms)) FROM m WHERE succeeded),
    'trend', (
      SELECT coalesce(json_agg(json_build_object(
        'at', to_char(s.step, 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
        'success', coalesce(t.success, 0), 'partial', coalesce(t.partial, 0),
        'failed', coalesce(t.failed, 0), 'rolled_back', coalesce(t.rolled_back, 0),
        'devices', coalesce(t.devices, 0),
        'duration_ms_average', t.average, 'duration_ms_median', t.median,
        'duration_ms_p95', t.p95) ORDER BY s.step), '[]')
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
        'median', percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds),
        'p95', percentile_cont(0.95) WITHIN GROUP (ORDER BY seconds),
        'migrations', count(*)) FROM waits))
$$;
