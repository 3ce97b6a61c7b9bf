-- Writes an event for each active endpoint. Called under the registration group's lock, so that the
-- ids are in the order of what happened to a group.
CREATE OR REPLACE FUNCTION regroup_record_event_v1(
  p_type text, p_migration_id uuid, p_registration_group_id text) RETURNS void
LANGUAGE sql VOLATILE
AS $$
  INSERT INTO regroup_migration_events (endpoint_id, type, migration_id, registration_group_id)
  SELECT w.id, p_type, p_migration_id, p_registration_group_id
  FROM regroup_webhook_endpoints w WHERE w.is_active;
$$;

-- The events that are due, at most p_most; per endpoint as many as it may have in delivery at once:
-- 4 per replica, or one after its circuit has opened, until a delivery succeeds. Endpoints in
-- p_barred are left to other replicas. An event waits until all earlier ones of its group are gone,
-- also those that another replica has taken: it is put out of the way (due at 'infinity') until the
-- last of them is gone. A claimed event is not due again until its lease is over, so that another
-- replica sends what a killed one had taken.
--
-- Waits for no lock. An event is put out of the way only while the earlier one is locked: the
-- replica that settles that one comes afterwards, and finds the event.
CREATE OR REPLACE FUNCTION regroup_claim_events_v2(
  p_busy uuid[], p_barred uuid[], p_most integer, p_lease interval)
RETURNS TABLE (id bigint, endpoint_id uuid, url text, secret text, type text, body text)
LANGUAGE plpgsql VOLATILE
-- By the indexes and in their order, whatever the statistics say: they may be of another outbox. (A
-- sort that is needed all the same is then so expensive that JIT would compile a query of ten
-- rows.)
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET jit = off
AS $$
#variable_conflict use_column
DECLARE
  at_once CONSTANT integer := 50;
  rounds CONSTANT integer := 10;
  endpoint record;
  event record;
  head bigint;
  free integer;
  seen integer;
BEGIN
  FOR endpoint IN
    SELECT w.id, w.url, w.secret,
      CASE WHEN w.failures >= 5 THEN 1 ELSE 4 END - busy.count::int AS free
    FROM regroup_webhook_endpoints w
    CROSS JOIN LATERAL (SELECT count(*) FROM unnest(p_busy) AS b(id) WHERE b.id = w.id) AS busy
    WHERE w.is_active AND NOT w.id = ANY (p_barred)
      AND (w.open_until IS NULL OR w.open_until <= now())
      AND (w.held_until IS NULL OR w.held_until <= now())
    ORDER BY busy.count, random()
  LOOP
    free := least(endpoint.free, p_most);
    FOR round IN 1 .. rounds LOOP
      EXIT WHEN free <= 0;
      seen := 0;
      FOR event IN
        SELECT c.id, c.registration_group_id FROM (
          (SELECT e.id, e.registration_group_id,
             row_number() OVER (ORDER BY e.due_at, e.id) AS turn, 0 AS kind
           FROM regroup_migration_events e
           WHERE e.endpoint_id = endpoint.id AND e.attempts = 0 AND e.due_at <= now()
           ORDER BY e.due_at, e.id LIMIT at_once)
          UNION ALL
          (SELECT e.id, e.registration_group_id, row_number() OVER (ORDER BY e.due_at, e.id), 1
           FROM regroup_migration_events e
           WHERE e.endpoint_id = endpoint.id AND e.attempts > 0 AND e.due_at <= now()
           ORDER BY e.due_at, e.id LIMIT at_once)) AS c
        ORDER BY c.turn, c.kind
      LOOP
        EXIT WHEN free <= 0;
        seen := seen + 1;
        CONTINUE WHEN NOT EXISTS (
          SELECT FROM regroup_migration_events e WHERE e.id = event.id AND e.due_at <= now()
          FOR UPDATE SKIP LOCKED);
        -- The first of its group, by the one index that has this order.
        SELECT e.id INTO head FROM regroup_migration_events e
        WHERE (e.endpoint_id, e.registration_group_id, e.id)
          >= (endpoint.id, event.registration_group_id, 0)
        ORDER BY e.endpoint_id, e.registration_group_id, e.id LIMIT 1;
        IF head < event.id THEN
          UPDATE regroup_migration_events e SET due_at = 'infinity'
          WHERE e.id = event.id AND EXISTS (
            SELECT FROM regroup_migration_events o WHERE o.id = head FOR SHARE SKIP LOCKED);
          CONTINUE;
        END IF;
        free := free - 1;
        p_most := p_most - 1;
        RETURN QUERY
          WITH taken AS (
            UPDATE regroup_migration_events e
            SET due_at = now() + p_lease, attempts = e.attempts + 1,
              tried_at = coalesce(e.tried_at, now())
            WHERE e.id = event.id RETURNING e.*
          )
          SELECT t.id, t.endpoint_id, endpoint.url, endpoint.secret, t.type, json_build_object(
            'id', 'evt_' || t.id, 'type', t.type, 'occurred_at', regroup_utc_text(t.created_at),
            'data', json_build_object(
              'migration_id', t.migration_id, 'registration_group_id', t.registration_group_id,
              'authenticated_group_id', coalesce(a.authenticated_group_id, a.undone_group_id),
              'name', a.group_name,
              'slug', a.group_slug, 'user_id', a.user_id, 'devices_migrated', a.devices_migrated,
              'device_ids', to_json(a.device_ids),
              'devices_remaining', coalesce(a.devices_remaining, 0)))::text
          FROM taken t LEFT JOIN migration_audit_logs a ON a.id = t.migration_id;
      END LOOP;
      EXIT WHEN seen < at_once;
    END LOOP;
  END LOOP;
END
$$;

-- The outcomes of deliveries:
--   delivered
--   failed   no answer, or one that says nothing of the event
--   refused  400 to 499: the endpoint does not want this event
--   held     it asks for a pause of p_holds seconds for all of its events
--   gone     410: it wants no event any more
--   barred   this replica may not reach its address; another may
-- An event that failed or was refused is due again after 1, 2, 4 seconds and so on, up to 10
-- minutes. It is given up (regroup_dead_events) after ten attempts if the endpoint refuses it or
-- has accepted others meanwhile, and in any case after three days.
--
-- Five different events that fail in a row open the endpoint's circuit for half a minute; each
-- further failure opens it for twice as long, up to 10 minutes. One event that fails again and
-- again does not open it: others are sent past it. The endpoints' rows are locked in one order,
-- since several replicas do this at once.
CREATE OR REPLACE FUNCTION regroup_settle_events_v2(
  p_ids bigint[], p_outcomes text[], p_errors text[], p_holds integer[]) RETURNS void
LANGUAGE plpgsql VOLATILE
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET jit = off
AS $$
DECLARE
  endpoints uuid[];
  groups text[];
BEGIN
  PERFORM FROM regroup_webhook_endpoints w
  WHERE w.id IN (SELECT e.endpoint_id FROM regroup_migration_events e WHERE e.id = ANY (p_ids))
  ORDER BY w.id FOR UPDATE;

  WITH result AS (
    SELECT e.endpoint_id, e.attempts, r.*
    FROM unnest(p_ids, p_outcomes, p_errors, p_holds) AS r(id, outcome, error, hold)
    JOIN regroup_migration_events e ON e.id = r.id
  ), summary AS (
    SELECT w.id, bool_or(r.outcome = 'delivered') AS delivered, bool_or(r.outcome = 'gone') AS gone,
      count(*) FILTER (
        WHERE r.outcome IN ('failed', 'refused') AND (r.attempts = 1 OR w.failures >= 5)) AS counted,
      bool_or(r.outcome IN ('failed', 'refused', 'held', 'gone')) AS failed,
      max(r.hold) FILTER (WHERE r.outcome = 'held') AS hold,
      (array_agg(r.error ORDER BY r.id) FILTER (WHERE r.outcome <> 'delivered'))[1] AS error
    FROM result r JOIN regroup_webhook_endpoints w ON w.id = r.endpoint_id
    GROUP BY w.id
  ), counted AS (
    SELECT s.*, (CASE WHEN s.delivered THEN 0 ELSE w.failures END + s.counted)::int AS failures
    FROM summary s JOIN regroup_webhook_endpoints w ON w.id = s.id
  )
  UPDATE regroup_webhook_endpoints w SET
    failures = c.failures,
    open_until = CASE
      WHEN c.delivered THEN NULL
      WHEN c.failures >= 5 AND c.counted > 0 THEN
        now() + least(interval '10 minutes', interval '30 seconds' * 2 ^ least(c.failures - 5, 10))
      ELSE w.open_until END,
    held_until = CASE WHEN c.hold IS NULL THEN w.held_until
      ELSE greatest(w.held_until, now() + c.hold * interval '1 second') END,
    is_active = w.is_active AND NOT c.gone,
    disabled_at = CASE WHEN c.gone THEN coalesce(w.disabled_at, now()) ELSE w.disabled_at END,
    last_success_at = CASE WHEN c.delivered THEN now() ELSE w.last_success_at END,
    last_failure_at = CASE WHEN c.failed THEN now() ELSE w.last_failure_at END,
    last_error = CASE WHEN c.error IS NULL THEN w.last_error ELSE left(c.error, 500) END
  FROM counted c WHERE w.id = c.id;

  UPDATE regroup_migration_events e SET
    due_at = CASE r.outcome
      WHEN 'held' THEN now() + r.hold * interval '1 second'
      WHEN 'failed' THEN now() + regroup_event_pause(e.attempts)
      WHEN 'refused' THEN now() + regroup_event_pause(e.attempts)
      ELSE now() END,
    -- what says nothing of the event is not one of its attempts
    attempts = e.attempts - CASE WHEN r.outcome IN ('held', 'gone', 'barred') THEN 1 ELSE 0 END,
    tried_at = CASE WHEN r.outcome = 'barred' AND e.attempts = 1 THEN NULL ELSE e.tried_at END,
    last_error = left(r.error, 500)
  FROM unnest(p_ids, p_outcomes, p_errors, p_holds) AS r(id, outcome, error, hold)
  WHERE e.id = r.id AND r.outcome <> 'delivered';

  WITH ended AS (
    DELETE FROM regroup_migration_events e
    USING unnest(p_ids, p_outcomes) AS r(id, outcome), regroup_webhook_endpoints w
    WHERE e.id = r.id AND w.id = e.endpoint_id AND (r.outcome = 'delivered'
      OR r.outcome IN ('failed', 'refused') AND (e.tried_at < now() - interval '3 days'
        OR e.attempts >= 10 AND (r.outcome = 'refused' OR w.last_success_at > e.tried_at)))
    RETURNING e.*, r.outcome
  ), dead AS (
    INSERT INTO regroup_dead_events (
      id, endpoint_id, type, migration_id, registration_group_id, created_at, attempts, last_error)
    SELECT e.id, e.endpoint_id, e.type, e.migration_id, e.registration_group_id, e.created_at,
      e.attempts, e.last_error
    FROM ended e WHERE e.outcome <> 'delivered'
  )
  SELECT array_agg(e.endpoint_id), array_agg(e.registration_group_id) INTO endpoints, groups
  FROM ended e;

  -- What waited for them.
  UPDATE regroup_migration_events e SET due_at = now()
  FROM unnest(endpoints, groups) AS g(endpoint_id, registration_group_id)
  CROSS JOIN LATERAL (
    SELECT n.id, n.endpoint_id, n.registration_group_id FROM regroup_migration_events n
    WHERE (n.endpoint_id, n.registration_group_id, n.id)
      >= (g.endpoint_id, g.registration_group_id, 0)
    ORDER BY n.endpoint_id, n.registration_group_id, n.id LIMIT 1) AS next
  WHERE e.id = next.id AND e.due_at = 'infinity' AND next.endpoint_id = g.endpoint_id
    AND next.registration_group_id = g.registration_group_id;
END
$$;

CREATE OR REPLACE FUNCTION regroup_event_pause(p_attempts integer) RETURNS interval
LANGUAGE sql IMMUTABLE
AS $$
  SELECT least(interval '10 minutes', interval '1 second' * 2 ^ least(p_attempts - 1, 12));
$$;

-- For replicas of an earlier version, while they run beside newer ones.
CREATE OR REPLACE FUNCTION regroup_claim_events_v1(p_busy uuid[], p_lease interval)
RETURNS TABLE (id bigint, endpoint_id uuid, url text, secret text, type text, body text)
LANGUAGE sql VOLATILE
AS $$
  SELECT * FROM regroup_claim_events_v2(p_busy, '{}', 64, p_lease);
$$;
CREATE OR REPLACE FUNCTION regroup_settle_events_v1(p_ids bigint[], p_errors text[]) RETURNS void
LANGUAGE sql VOLATILE
AS $$
  SELECT regroup_settle_events_v2(p_ids,
    ARRAY(SELECT CASE r.error WHEN '' THEN 'delivered' ELSE 'failed' END
          FROM unnest(p_errors) WITH ORDINALITY AS r(error, place) ORDER BY r.place),
    p_errors, NULL);
$$;

-- Makes dead events due again: the given ones, or the oldest thousand if p_ids is NULL. Returns how
-- many, or NULL if there is no such endpoint.
CREATE OR REPLACE FUNCTION regroup_redeliver_events_v1(p_endpoint_id uuid, p_ids bigint[])
RETURNS integer
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
  moved integer;
BEGIN
  PERFORM FROM regroup_webhook_endpoints w WHERE w.id = p_endpoint_id FOR UPDATE;
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  WITH chosen AS (
    DELETE FROM regroup_dead_events d
    WHERE d.endpoint_id = p_endpoint_id AND d.id IN (
      SELECT o.id FROM regroup_dead_events o
      WHERE o.endpoint_id = p_endpoint_id AND (p_ids IS NULL OR o.id = ANY (p_ids))
      ORDER BY o.id LIMIT 1000)
    RETURNING d.*
  )
  INSERT INTO regroup_migration_events (
    id, endpoint_id, type, migration_id, registration_group_id, created_at)
  SELECT c.id, c.endpoint_id, c.type, c.migration_id, c.registration_group_id, c.created_at
  FROM chosen c;
  GET DIAGNOSTICS moved = ROW_COUNT;
  RETURN moved;
END
$$;

-- Clears an endpoint's failures, so that it gets events again.
CREATE OR REPLACE FUNCTION regroup_enable_webhook_v1(p_id uuid) RETURNS boolean
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
  UPDATE regroup_webhook_endpoints w
  SET is_active = true, disabled_at = NULL, failures = 0, open_until = NULL, held_until = NULL
  WHERE w.id = p_id;
  RETURN FOUND;
END
$$;

CREATE OR REPLACE FUNCTION regroup_webhooks_json() RETURNS json
LANGUAGE sql STABLE
AS $$
  SELECT coalesce(json_agg(json_build_object(
    'id', w.id, 'url', w.url, 'is_active', w.is_active, 'created_at', regroup_utc_text(w.created_at),
    'pending', (SELECT count(*) FROM regroup_migration_events e WHERE e.endpoint_id = w.id),
    'dead', (SELECT count(*) FROM regroup_dead_events d WHERE d.endpoint_id = w.id),
    'failures', w.failures, 'open_until', regroup_utc_text(w.open_until),
    'held_until', regroup_utc_text(w.held_until), 'disabled_at', regroup_utc_text(w.disabled_at),
    'last_success_at', regroup_utc_text(w.last_success_at),
    'last_failure_at', regroup_utc_text(w.last_failure_at), 'last_error', w.last_error)
    ORDER BY w.created_at, w.id), '[]')
  FROM regroup_webhook_endpoints w
$$;

CREATE OR REPLACE FUNCTION regroup_dead_events_json(
  p_endpoint_id uuid, p_after bigint, p_limit integer) RETURNS json
LANGUAGE sql STABLE
AS $$
  WITH page AS (
    SELECT d.* FROM regroup_dead_events d
    WHERE d.endpoint_id = p_endpoint_id AND d.id > p_after
    ORDER BY d.id LIMIT p_limit + 1
  ), shown AS (
    SELECT * FROM page ORDER BY id LIMIT p_limit
  )
  SELECT json_build_object(
    'events', coalesce((SELECT json_agg(json_build_object(
      'id', 'evt_' || s.id, 'type', s.type, 'migration_id', s.migration_id,
      'registration_group_id', s.registration_group_id,
      'occurred_at', regroup_utc_text(s.created_at), 'attempts', s.attempts,
      'died_at', regroup_utc_text(s.died_at), 'last_error', s.last_error) ORDER BY s.id)
      FROM shown s), '[]'),
    'next_cursor', CASE WHEN (SELECT count(*) FROM page) > p_limit
      THEN (SELECT 'evt_' || max(id) FROM shown) END)
$$;

-- Deletes the endpoint's events with it, and those that a migration wrote while another endpoint
-- was deleted.
CREATE OR REPLACE FUNCTION regroup_delete_webhook_v1(p_id uuid) RETURNS boolean
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
  found_one boolean;
BEGIN
  DELETE FROM regroup_webhook_endpoints w WHERE w.id = p_id;
  found_one := FOUND;
  DELETE FROM regroup_dead_events d WHERE d.endpoint_id = p_id;
  DELETE FROM regroup_migration_events e
  WHERE NOT EXISTS (SELECT FROM regroup_webhook_endpoints w WHERE w.id = e.endpoint_id);
  RETURN found_one;
END
$$;
