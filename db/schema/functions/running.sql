-- db/progress.cpp: a 202 is about to be sent. Returns how many devices there are to migrate.
CREATE OR REPLACE FUNCTION regroup_note_running_v1(
  p_migration_id uuid, p_user_id uuid, p_registration_group_id text, p_device_ids uuid[],
  p_trace_id text DEFAULT NULL, p_received_us bigint DEFAULT 0) -- how long ago
RETURNS bigint
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
  total bigint;
BEGIN
  SELECT count(*) INTO total FROM devices d
  WHERE d.group_id = p_registration_group_id AND d.active
    AND (p_device_ids IS NULL OR d.device_id = ANY (p_device_ids))
    AND NOT regroup_is_migrated(d.device_id);
  INSERT INTO regroup_running (
    migration_id, user_id, registration_group_id, devices_total, received_at, trace_id)
  SELECT p_migration_id, p_user_id, p_registration_group_id, total,
    now() - p_received_us * interval '1 us', p_trace_id
  WHERE NOT EXISTS (SELECT FROM migration_audit_logs a WHERE a.id = p_migration_id) -- ended since
  ON CONFLICT (migration_id) DO NOTHING;
  -- Of replicas that died, and that nobody asked about.
  DELETE FROM regroup_running r WHERE r.told_at < now() - interval '30 days';
  RETURN total;
END
$$;

-- db/progress.cpp: what is known of a migration that has no audit row. 'running', or 'none' and 'settled':
-- the audit has the last word, in the second case one that was written here. Where its replica is not heard of any more and nobody holds the registration group's
-- lock, the migration is failed here and now: an audit row with its id makes its own COMMIT impossible,
-- should the replica only have been asleep. So what is said to have failed has, and nothing runs for ever.
CREATE OR REPLACE FUNCTION regroup_find_running_v1(
  p_migration_id uuid,
  p_silent_ms bigint, -- a replica that has said nothing for this long may be dead
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
BEGIN
  outcome := 'none';
  SELECT r.* INTO noted FROM regroup_running r WHERE r.migration_id = p_migration_id;
  IF NOT FOUND OR EXISTS (SELECT FROM migration_audit_logs a WHERE a.id = p_migration_id) THEN
    RETURN;
  END IF;
  IF noted.told_at + p_silent_ms * interval '1 millisecond' > now()
     OR NOT pg_catalog.pg_try_advisory_xact_lock(regroup_lock_key(noted.registration_group_id)) THEN
    outcome := 'running';
    o_user_id := noted.user_id;
    o_registration_group_id := noted.registration_group_id;
    o_total := noted.devices_total;
    o_processed := noted.devices_processed;
    RETURN;
  END IF;
  INSERT INTO migration_audit_logs (id, user_id, registration_group_id, status, error_code,
                                    error_message, trace_id, received_at)
  VALUES (p_migration_id, noted.user_id, noted.registration_group_id, 'failed', 'server/internal',
          'The migration came to no end, and changed nothing', noted.trace_id, noted.received_at)
  ON CONFLICT (id) DO NOTHING; -- or it has ended since
  DELETE FROM regroup_running r WHERE r.migration_id = p_migration_id;
  outcome := 'settled';
END
$$;
