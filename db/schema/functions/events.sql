-- Other events than a migration's, which functions/migrate.sql writes itself; called under the registration
-- group's lock, so that ids are in the order of what happened to a group.
CREATE OR REPLACE FUNCTION regroup_record_event_v1(
  p_type text, p_migration_id uuid, p_registration_group_id text) RETURNS void
LANGUAGE sql VOLATILE
AS $$
  INSERT INTO regroup_migration_events (endpoint_id, type, migration_id, registration_group_id)
  SELECT w.id, p_type, p_migration_id, p_registration_group_id
  FROM regroup_webhook_endpoints w WHERE w.is_active;
$$;

-- What is due, for each endpoint as many as it may have under way at once: 4 in each replica, or one
-- while it fails. An event waits for all earlier ones of its group to be gone, also for those that
-- another replica has taken. What is given out is not due again until the lease is over, so that what a
-- killed replica had taken is sent by another.
CREATE OR REPLACE FUNCTION regroup_claim_events_v1(p_busy uuid[], p_lease interval)
RETURNS TABLE (id bigint, endpoint_id uuid, url text, secret text, type text, body text)
LANGUAGE sql VOLATILE
AS $$
  WITH room AS (
    SELECT w.id, w.url, w.secret,
      CASE WHEN w.failures >= 5 THEN 1 ELSE 4 END
        - (SELECT count(*) FROM unnest(p_busy) AS busy(id) WHERE busy.id = w.id) AS free
    FROM regroup_webhook_endpoints w
    WHERE w.is_active AND (w.open_until IS NULL OR w.open_until <= now())
  ), due AS MATERIALIZED (
    SELECT e.id, r.url, r.secret
    FROM room r CROSS JOIN LATERAL (
      SELECT e.id FROM regroup_migration_events e
      WHERE e.endpoint_id = r.id AND e.due_at <= now()
        AND NOT EXISTS (
          SELECT FROM regroup_migration_events o
          WHERE o.endpoint_id = e.endpoint_id
            AND o.registration_group_id = e.registration_group_id AND o.id < e.id)
      ORDER BY e.id
      LIMIT greatest(r.free, 0)
      FOR UPDATE SKIP LOCKED) e
  ), taken AS (
    UPDATE regroup_migration_events e SET due_at = now() + p_lease, attempts = e.attempts + 1
    FROM due WHERE e.id = due.id
    RETURNING e.*, due.url, due.secret
  )
  SELECT t.id, t.endpoint_id, t.url, t.secret, t.type, json_build_object(
    'id', 'evt_' || t.id, 'type', t.type, 'occurred_at', regroup_utc_text(t.created_at),
    'data', json_build_object(
      'migration_id', t.migration_id, 'registration_group_id', t.registration_group_id,
      'authenticated_group_id', coalesce(a.authenticated_group_id, a.undone_group_id),
      'name', a.group_name,
      'slug', a.group_slug, 'user_id', a.user_id, 'devices_migrated', a.devices_migrated,
      'device_ids', to_json(a.device_ids),
      'devices_remaining', coalesce(a.devices_remaining, 0)))::text
  FROM taken t LEFT JOIN migration_audit_logs a ON a.id = t.migration_id
  ORDER BY t.id
$$;

-- What became of deliveries; an error of '' is none. An event that failed is due again after 1, 2, 4
-- seconds and so on, up to 10 minutes, for as long as its endpoint is there. Five failures in a row open
-- the endpoint's circuit for half a minute, each further one for twice as long, up to 10 minutes. The
-- endpoints' rows are locked in one order, since several replicas do this at once.
CREATE OR REPLACE FUNCTION regroup_settle_events_v1(p_ids bigint[], p_errors text[]) RETURNS void
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
  PERFORM FROM regroup_webhook_endpoints w
  WHERE w.id IN (SELECT e.endpoint_id FROM regroup_migration_events e WHERE e.id = ANY (p_ids))
  ORDER BY w.id FOR UPDATE;

  WITH result AS (
    SELECT e.endpoint_id, r.error
    FROM unnest(p_ids, p_errors) AS r(id, error) JOIN regroup_migration_events e ON e.id = r.id
  ), summary AS (
    SELECT endpoint_id, count(*) FILTER (WHERE error <> '') AS failed,
      bool_or(error = '') AS delivered, max(error) AS error
    FROM result GROUP BY endpoint_id
  ), counted AS (
    SELECT w.id, s.failed, s.delivered, s.error,
      (CASE WHEN s.delivered THEN 0 ELSE w.failures END + s.failed)::int AS failures
    FROM summary s JOIN regroup_webhook_endpoints w ON w.id = s.endpoint_id
  )
  UPDATE regroup_webhook_endpoints w SET
    failures = c.failures,
    open_until = CASE WHEN c.failures >= 5 AND NOT c.delivered
      THEN now() + least(interval '10 minutes', interval '30 seconds' * 2 ^ least(c.failures - 5, 10)) END,
    last_success_at = CASE WHEN c.delivered THEN now() ELSE w.last_success_at END,
    last_failure_at = CASE WHEN c.failed > 0 THEN now() ELSE w.last_failure_at END,
    last_error = CASE WHEN c.failed > 0 THEN left(c.error, 500) ELSE w.last_error END
  FROM counted c WHERE w.id = c.id;

  UPDATE regroup_migration_events e SET due_at = now()
    + least(interval '10 minutes', interval '1 second' * 2 ^ least(e.attempts - 1, 12))
  FROM unnest(p_ids, p_errors) AS r(id, error)
  WHERE e.id = r.id AND r.error <> '';
  DELETE FROM regroup_migration_events e
  USING unnest(p_ids, p_errors) AS r(id, error)
  WHERE e.id = r.id AND r.error = '';
END
$$;

CREATE OR REPLACE FUNCTION regroup_webhooks_json() RETURNS json
LANGUAGE sql STABLE
AS $$
  SELECT coalesce(json_agg(json_build_object(
    'id', w.id, 'url', w.url, 'is_active', w.is_active, 'created_at', regroup_utc_text(w.created_at),
    'pending', (SELECT count(*) FROM regroup_migration_events e WHERE e.endpoint_id = w.id),
    'failures', w.failures, 'open_until', regroup_utc_text(w.open_until),
    'last_success_at', regroup_utc_text(w.last_success_at),
    'last_failure_at', regroup_utc_text(w.last_failure_at), 'last_error', w.last_error)
    ORDER BY w.created_at, w.id), '[]')
  FROM regroup_webhook_endpoints w
$$;

-- With the endpoint its events go, those included that a migration wrote while another endpoint went.
CREATE OR REPLACE FUNCTION regroup_delete_webhook_v1(p_id uuid) RETURNS boolean
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
  found_one boolean;
BEGIN
  DELETE FROM regroup_webhook_endpoints w WHERE w.id = p_id;
  found_one := FOUND;
  DELETE FROM regroup_migration_events e
  WHERE NOT EXISTS (SELECT FROM regroup_webhook_endpoints w WHERE w.id = e.endpoint_id);
  RETURN found_one;
END
$$;
