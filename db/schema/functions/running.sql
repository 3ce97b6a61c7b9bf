-- The record of what is running (regroup_running): written here, read here and in live.sql.

-- db/progress.cpp: a 202 is about to be sent. Returns the number of devices to migrate.
CREATE OR REPLACE FUNCTION regroup_note_running_v1(
  p_migration_id uuid, p_user_id uuid, p_registration_group_id text, p_device_ids uuid[],
  p_trace_id text DEFAULT NULL, p_received_us bigint DEFAULT 0) -- how long ago
RETURNS bigint
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
  total bigint;
BEGIN
  SELECT count(*) INTO total FROM regroup_devices_in(p_registration_group_id) d
  WHERE p_device_ids IS NULL OR d.device_id = ANY (p_device_ids);
  INSERT INTO regroup_running (
    migration_id, user_id, registration_group_id, devices_total, received_at, trace_id)
  SELECT p_migration_id, p_user_id, p_registration_group_id, total,
    now() - p_received_us * interval '1 us', p_trace_id
  WHERE NOT regroup_has_ended(p_migration_id)
  ON CONFLICT (migration_id) DO UPDATE
  SET devices_total = excluded.devices_total, answered_202 = true, told_at = now();
  -- Of replicas that died, and that nobody asked about.
  DELETE FROM regroup_running r WHERE r.told_at < now() - interval '30 days';
  RETURN total;
END
$$;

-- db/progress.cpp, a few times a second while anything runs for longer than most migrations do.
-- Publishes what a replica runs and how far each migration has come, and deletes what it no longer
-- runs. A migration that was not answered 202 and whose replica died is deleted after a minute.
-- These commits do not wait for the disk: what a crash loses is published again.
CREATE OR REPLACE FUNCTION regroup_publish_running_v1(
  p_replica text, p_migration_ids uuid[], p_user_ids uuid[], p_groups text[], p_ages_ms bigint[],
  p_trace_ids text[], -- empty: none
  p_totals bigint[], -- negative: not counted yet
  p_processed bigint[],
  p_answered_202 boolean[])
RETURNS void
LANGUAGE sql VOLATILE
AS $$
  SELECT pg_catalog.set_config('synchronous_commit', 'off', true);
  DELETE FROM regroup_running r WHERE r.migration_id IN (
    SELECT gone.migration_id FROM regroup_running gone
    WHERE NOT gone.answered_202
      AND (gone.told_at < now() - interval '1 minute'
        OR (gone.replica = p_replica AND gone.migration_id <> ALL (p_migration_ids)))
    FOR UPDATE SKIP LOCKED);
  INSERT INTO regroup_running AS r (
    migration_id, user_id, registration_group_id, devices_total, devices_processed, received_at,
    trace_id, replica, answered_202)
  SELECT m.id, m.user_id, m.registration_group_id, m.total, m.processed,
    now() - m.age * interval '1 ms', nullif(m.trace_id, ''), p_replica, m.answered_202
  FROM unnest(p_migration_ids, p_user_ids, p_groups, p_ages_ms, p_trace_ids, p_totals, p_processed,
      p_answered_202)
    AS m(id, user_id, registration_group_id, age, trace_id, total, processed, answered_202)
  WHERE NOT regroup_has_ended(m.id)
  ORDER BY m.id
  ON CONFLICT (migration_id) DO UPDATE
  SET replica = excluded.replica, told_at = now(),
    devices_total = greatest(r.devices_total, excluded.devices_total),
    devices_processed = greatest(r.devices_processed, excluded.devices_processed),
    answered_202 = r.answered_202 OR excluded.answered_202
  WHERE r.told_at < now() - interval '1 second'
    OR r.replica IS DISTINCT FROM excluded.replica
    OR r.devices_total < excluded.devices_total
    OR r.devices_processed < excluded.devices_processed;
$$;

-- Called by replicas of the previous version; they write a migration's progress themselves.
CREATE OR REPLACE FUNCTION regroup_publish_live_v1(
  p_replica text, p_migration_ids uuid[], p_user_ids uuid[], p_groups text[], p_ages_ms bigint[],
  p_trace_ids text[])
RETURNS void
LANGUAGE sql VOLATILE
AS $$
  SELECT regroup_publish_running_v1(p_replica, p_migration_ids, p_user_ids, p_groups, p_ages_ms,
    p_trace_ids, array_fill(-1::bigint, ARRAY[cardinality(p_migration_ids)]),
    array_fill(0::bigint, ARRAY[cardinality(p_migration_ids)]),
    array_fill(false, ARRAY[cardinality(p_migration_ids)]));
$$;

-- db/progress.cpp: what is known of a migration without a record. 'running', or 'none' or
-- 'settled': then the record has the last word, in the case of 'settled' one that was written here.
-- If its replica has been silent and no session holds the registration group's lock, the migration
-- is settled (settle.sql).
CREATE OR REPLACE FUNCTION regroup_find_running_v1(
  p_migration_id uuid,
  p_silent_ms bigint, -- a replica that has not reported for this long may be dead
  OUT outcome text,
  OUT o_user_id uuid,
  OUT o_registration_group_id text,
  OUT o_total bigint,
  OUT o_processed bigint
) LANGUAGE plpgsql VOLATILE
AS $$
#variable_conflict use_column
DECLARE
  noted regroup_running;
  is_silent boolean;
BEGIN
  outcome := 'none';
  SELECT r.* INTO noted FROM regroup_running r WHERE r.migration_id = p_migration_id;
  IF NOT FOUND OR regroup_has_ended(p_migration_id) THEN
    RETURN;
  END IF;
  is_silent := noted.told_at + p_silent_ms * interval '1 millisecond' <= now();
  outcome := 'running';
  IF is_silent THEN
    SELECT CASE s.outcome WHEN 'locked' THEN 'running' ELSE 'settled' END INTO outcome
    FROM regroup_settle_v1('migration', p_migration_id, noted.user_id,
      noted.registration_group_id, NULL, 'try', 'server/internal',
      'The migration came to no end, and changed nothing', noted.trace_id,
      (extract(epoch FROM now() - noted.received_at) * 1000000)::bigint) s;
  END IF;
  IF outcome = 'running' THEN
    o_user_id := noted.user_id;
    o_registration_group_id := noted.registration_group_id;
    o_total := noted.devices_total;
    o_processed := noted.devices_processed;
    RETURN;
  END IF;
  DELETE FROM regroup_running r WHERE r.migration_id = p_migration_id;
END
$$;
