-- Whether a group is as its migration made it. This is read from `xmin`, the transaction that wrote
-- a row's newest version: all rows that one migration wrote have the same, and a row that was
-- changed or added since has another. This costs a migration nothing, and covers every column. A
-- restored dump looks changed, which refuses an undo that could have been allowed, never the
-- reverse.
-- (The devices are only counted, in the right group: phones update their last_seen_at all the
-- time.)
CREATE OR REPLACE FUNCTION regroup_is_untouched(p_migration_id uuid) RETURNS boolean
LANGUAGE sql STABLE
AS $$
  SELECT (SELECT count(*) = 1 FROM migration_audit_logs o
          WHERE o.authenticated_group_id = a.authenticated_group_id
            AND o.status IN ('success', 'partial'))
     AND (SELECT g.xmin = a.xmin FROM groups g WHERE g.id = a.authenticated_group_id)
     AND (SELECT count(*) = 1 AND bool_and(m.xmin = a.xmin) FROM group_memberships m
          WHERE m.group_id = a.authenticated_group_id)
     AND (SELECT count(*) = cardinality(a.device_ids)
             AND bool_and(m.xmin = a.xmin AND m.device_id = ANY (a.device_ids))
          FROM device_group_memberships m WHERE m.group_id = a.authenticated_group_id)
     AND (SELECT count(*) = cardinality(a.device_ids) FROM devices d
          WHERE d.device_id = ANY (a.device_ids) AND d.group_id = a.group_slug)
  FROM migration_audit_logs a WHERE a.id = p_migration_id
$$;

-- One whole undo, sent like a migration (functions/migrate.sql) in one round trip with BEGIN and
-- COMMIT. So every outcome except 'rolled_back' has written nothing.
--
-- Locks, in this order: the registration group's advisory lock (tried, never waited for), its
-- members' lock, the devices' rows in ascending device_id, the group's row. While that row is
-- locked FOR UPDATE no other transaction can add a member or a device to the group (a foreign key's
-- check locks it FOR KEY SHARE), so what the next statement sees is what will be undone. A caller
-- who may not undo it is refused before any row is locked, and so is an undo of a group that was
-- changed.
CREATE OR REPLACE FUNCTION regroup_undo_v1(
  p_undo_id uuid,
  p_group_id uuid,
  p_user_id uuid,
  p_registration_group_id text,
  p_window_ms bigint,     -- migration.rollback_window
  p_idempotency_key text, -- NULL: none
  p_trace_id text DEFAULT NULL, -- of the request
  OUT outcome text,
  OUT o_migration_id uuid,
  OUT o_device_ids uuid[],
  OUT o_rolled_back_at timestamptz
) LANGUAGE plpgsql VOLATILE
AS $$
#variable_conflict use_column
DECLARE
  earlier migration_audit_logs;
  done migration_audit_logs;
  user_role group_role;
BEGIN
  IF NOT pg_catalog.pg_try_advisory_xact_lock(regroup_lock_key(p_registration_group_id)) THEN
    outcome := 'in_progress';
    RETURN;
  END IF;
  PERFORM pg_catalog.pg_advisory_xact_lock(regroup_members_key(p_registration_group_id));

  IF NOT EXISTS (SELECT FROM users u WHERE u.id = p_user_id AND u.is_active) THEN
    outcome := 'unauthorized';
    RETURN;
  END IF;

  IF p_idempotency_key IS NOT NULL THEN
    SELECT a.* INTO earlier FROM migration_audit_logs a
    WHERE a.rolled_back_by = p_user_id AND a.rollback_key = p_idempotency_key;
    IF FOUND AND earlier.undone_group_id = p_group_id THEN
      -- As in functions/migrate.sql: this COMMIT's promise is to cover that one.
      PERFORM pg_catalog.pg_logical_emit_message(true, 'regroup', '');
      outcome := 'replayed';
      o_migration_id := earlier.id;
      o_device_ids := earlier.device_ids;
      o_rolled_back_at := earlier.rolled_back_at;
      RETURN;
    END IF;
    IF FOUND OR EXISTS (SELECT FROM migration_audit_logs a
                        WHERE a.user_id = p_user_id AND a.idempotency_key = p_idempotency_key) THEN
      outcome := 'idempotency_mismatch';
      RETURN;
    END IF;
  END IF;

  IF NOT EXISTS (SELECT FROM groups g WHERE g.id = p_group_id AND g.is_active) THEN
    -- Only those whom it concerned are told that there was one.
    SELECT a.id INTO o_migration_id FROM migration_audit_logs a
    WHERE a.undone_group_id = p_group_id
      AND (a.user_id = p_user_id OR a.rolled_back_by = p_user_id);
    outcome := CASE WHEN FOUND THEN 'already_rolled_back' ELSE 'not_found' END;
    RETURN;
  END IF;

  SELECT m.role INTO user_role FROM group_memberships m
  WHERE m.group_id = p_group_id AND m.user_id = p_user_id;
  IF user_role IS NULL THEN
    outcome := 'not_group_member';
    RETURN;
  END IF;
  IF user_role <> 'owner' THEN
    outcome := 'forbidden';
    RETURN;
  END IF;

  SELECT a.* INTO done FROM migration_audit_logs a
  WHERE a.authenticated_group_id = p_group_id AND a.status IN ('success', 'partial')
    AND a.registration_group_id = p_registration_group_id
  LIMIT 1;
  IF NOT FOUND THEN
    outcome := 'not_found';
    RETURN;
  END IF;
  IF done.created_at + p_window_ms * interval '1 millisecond' < now() THEN
    outcome := 'rollback_expired';
    RETURN;
  END IF;
  -- The devices would come back to a registration group that cannot be migrated again.
  IF done.status = 'partial'
     AND EXISTS (SELECT FROM migration_audit_logs a
                 WHERE a.registration_group_id = p_registration_group_id
                   AND a.status = 'success') THEN
    outcome := 'already_migrated';
    RETURN;
  END IF;

  IF regroup_is_untouched(done.id) IS NOT TRUE THEN -- before any row is locked, which would be a write
    outcome := 'group_modified';
    RETURN;
  END IF;
  PERFORM set_config('lock_timeout', '100ms', true); -- as in migrate.sql
  PERFORM FROM devices d WHERE d.device_id = ANY (done.device_ids)
  ORDER BY uuid_send(d.device_id)
  FOR NO KEY UPDATE;
  PERFORM FROM groups g WHERE g.id = p_group_id FOR UPDATE;
  IF regroup_is_untouched(done.id) IS NOT TRUE THEN
    outcome := 'group_modified';
    RETURN;
  END IF;

  UPDATE devices d SET group_id = p_registration_group_id, updated_at = now()
  WHERE d.device_id = ANY (done.device_ids);
  DELETE FROM device_group_memberships m WHERE m.group_id = p_group_id;
  -- The group goes as other programs delete one: it is not active, and its owner stays in it, whom their
  -- triggers may guard. Its slug is free for the next migration.
  UPDATE groups g
  SET is_active = false, updated_at = now(),
      slug = 'undone-' || right(translate(p_group_id::text, '-', ''), 12)
  WHERE g.id = p_group_id;
  UPDATE migration_audit_logs a
  SET status = 'failed', error_message = 'The migration was undone', -- of the words that others know
      rollback_id = p_undo_id, rolled_back_at = now(), rolled_back_by = p_user_id,
      rollback_key = p_idempotency_key, rollback_trace_id = p_trace_id, undone_group_id = p_group_id
  WHERE a.id = done.id;

  INSERT INTO regroup_operations (id, kind, user_id, group_id, status)
  VALUES (p_undo_id, 'undo', p_user_id, p_group_id, 'completed')
  ON CONFLICT (id) DO NOTHING;
  IF NOT FOUND THEN -- settled as one that never happens (functions/settle.sql)
    RAISE EXCEPTION 'the undo has been recorded as failed' USING ERRCODE = 'RG002';
  END IF;
  PERFORM regroup_record_event_v1('migration.rolled_back', done.id, p_registration_group_id);

  outcome := 'rolled_back';
  o_migration_id := done.id;
  o_device_ids := done.device_ids;
  o_rolled_back_at := now();
END
$$;
