-- What belongs to a group's life beside its migration: the undo of one, the
-- rehearsal, and the progress of one that takes long.

ALTER TABLE migration_audit_logs
  ADD COLUMN IF NOT EXISTS rollback_id uuid, -- chosen before the undo began, to look it up by
  ADD COLUMN IF NOT EXISTS undone_group_id uuid, -- what authenticated_group_id was
  ADD COLUMN IF NOT EXISTS rolled_back_at timestamptz,
  ADD COLUMN IF NOT EXISTS rolled_back_by uuid,
  ADD COLUMN IF NOT EXISTS rollback_key varchar(255), -- the undo's Idempotency-Key
  ADD COLUMN IF NOT EXISTS rollback_trace_id varchar(32), -- of the undo's request; trace_id is the
                                                          -- migration's
  ADD COLUMN IF NOT EXISTS excluded_device_ids uuid[]; -- what a partial migration left behind

-- What became of a group that is gone.
CREATE INDEX IF NOT EXISTS regroup_undone_group ON migration_audit_logs (undone_group_id)
  WHERE undone_group_id IS NOT NULL;
CREATE UNIQUE INDEX IF NOT EXISTS regroup_one_undo_of_a_key
  ON migration_audit_logs (rolled_back_by, rollback_key) WHERE rollback_key IS NOT NULL;

-- A whole undo, sent as a migration is (004_migrate.sql): in one round trip with BEGIN and COMMIT. So
-- every outcome but 'rolled_back' has written nothing.
--
-- Locks, in this order: the registration group's advisory lock (tried, never waited for), its
-- members' lock, the devices' rows in ascending device_id, the group's row. With that one locked FOR
-- UPDATE nobody can give the group a member or a device any more (a foreign key's check locks it FOR
-- KEY SHARE), so what the statement after it sees is what will be undone. Whoever may not undo it is
-- refused before any row is locked.
--
-- Whether the group is as the migration made it is told by `xmin`, the transaction that wrote a row's
-- newest version: it is the same for all rows that one migration wrote, and another one for a row
-- that was changed or added since. A migration pays nothing for it, and no column is forgotten. A
-- dump that was restored looks changed, which refuses what could have been allowed, never the reverse.
-- (Of the devices only where they are counts: phones say that they were seen all the time.)
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
  written_by xid;
  user_role group_role;
  untouched boolean;
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
      -- As in 004_migrate.sql: this COMMIT's promise is to cover that one.
      PERFORM pg_catalog.pg_logical_emit_message(true, 'regroup', '');
      outcome := 'replayed';
      o_migration_id := earlier.id;
      o_device_ids := earlier.device_ids;
      o_rolled_back_at := earlier.rolled_back_at;
      RETURN;
    END IF;
    IF FOUND OR EXISTS (SELECT FROM migration_audit_logs a
                        WHERE a.user_id = p_user_id AND a.idempotency_key = p_idempotency_key
                          AND a.status IN ('success', 'partial', 'rolled_back')) THEN
      outcome := 'idempotency_mismatch';
      RETURN;
    END IF;
  END IF;

  IF NOT EXISTS (SELECT FROM groups g WHERE g.id = p_group_id) THEN
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

  PERFORM FROM devices d WHERE d.device_id = ANY (done.device_ids)
  ORDER BY uuid_send(d.device_id)
  FOR NO KEY UPDATE;
  PERFORM FROM groups g WHERE g.id = p_group_id FOR UPDATE;
  SELECT a.xmin INTO written_by FROM migration_audit_logs a WHERE a.id = done.id;
  SELECT (SELECT count(*) = 1 FROM migration_audit_logs a
          WHERE a.authenticated_group_id = p_group_id AND a.status IN ('success', 'partial'))
     AND (SELECT g.xmin = written_by FROM groups g WHERE g.id = p_group_id)
     AND (SELECT count(*) = 1 AND bool_and(m.xmin = written_by) FROM group_memberships m
          WHERE m.group_id = p_group_id)
     AND (SELECT count(*) = cardinality(done.device_ids)
             AND bool_and(m.xmin = written_by AND m.device_id = ANY (done.device_ids))
          FROM device_group_memberships m WHERE m.group_id = p_group_id)
     AND (SELECT count(*) = cardinality(done.device_ids) FROM devices d
          WHERE d.device_id = ANY (done.device_ids) AND d.group_id = done.group_slug)
  INTO untouched;
  IF untouched IS NOT TRUE THEN
    outcome := 'group_modified';
    RETURN;
  END IF;

  UPDATE devices d SET group_id = p_registration_group_id, updated_at = now()
  WHERE d.device_id = ANY (done.device_ids);
  DELETE FROM device_group_memberships m WHERE m.group_id = p_group_id;
  DELETE FROM group_memberships m WHERE m.group_id = p_group_id;
  -- In a database that others made the audit may refer to the group by a foreign key, which would
  -- forbid that it goes, or take the row along.
  UPDATE migration_audit_logs a
  SET status = 'rolled_back', rollback_id = p_undo_id, rolled_back_at = now(),
      rolled_back_by = p_user_id, rollback_key = p_idempotency_key, rollback_trace_id = p_trace_id,
      undone_group_id = p_group_id,
      authenticated_group_id = CASE
        WHEN EXISTS (SELECT FROM pg_catalog.pg_constraint c
                     WHERE c.contype = 'f' AND c.conrelid = 'migration_audit_logs'::regclass
                       AND c.confrelid = 'groups'::regclass) THEN NULL
        ELSE a.authenticated_group_id END
  WHERE a.id = done.id;
  DELETE FROM groups g WHERE g.id = p_group_id;

  PERFORM regroup_record_event_v1('migration.rolled_back', done.id, p_registration_group_id);

  outcome := 'rolled_back';
  o_migration_id := done.id;
  o_device_ids := done.device_ids;
  o_rolled_back_at := now();
END
$$;

-- What regroup_migrate_v1 would say at this moment, without a lock and without a write: a rehearsal must
-- not wait for anybody, and nobody for a rehearsal. Called by db/plan.cpp. STABLE: everything is read at
-- one moment. The checks are the migration's, in its order; tests/db/plan_test.cpp holds the two
-- together. An Idempotency-Key is not looked at.
CREATE OR REPLACE FUNCTION regroup_plan_v1(
  p_user_id uuid,
  p_registration_group_id text,
  p_slug text,
  p_device_ids uuid[], -- NULL: all of them
  p_max_devices bigint,
  p_require_owner text,
  p_into_group_id uuid, -- NULL: into a new one
  OUT outcome text, -- 'ready', or as a migration's
  OUT o_migration_id uuid,
  OUT o_group_id uuid,
  OUT o_name text, -- of the group that is there; of a new one the caller knows it
  OUT o_slug text,
  OUT o_device_ids uuid[], -- NULL where they are none of the caller's business
  OUT o_remaining bigint,
  OUT o_ignored uuid[],
  OUT o_device_count bigint,
  OUT o_linked bigint,
  OUT o_owned bigint
) LANGUAGE plpgsql STABLE
AS $$
#variable_conflict use_column
DECLARE
  lock_key bigint := regroup_lock_key(p_registration_group_id);
  earlier migration_audit_logs;
  members uuid[]; -- of the registration group, in order
  role_there group_role;
  count_there bigint;
BEGIN
  IF NOT EXISTS (SELECT FROM users u WHERE u.id = p_user_id AND u.is_active) THEN
    outcome := 'unauthorized';
    RETURN;
  END IF;

  SELECT a.* INTO earlier FROM migration_audit_logs a
  WHERE a.registration_group_id = p_registration_group_id AND a.status = 'success';
  IF NOT FOUND THEN
    SELECT coalesce(array_agg(d.device_id ORDER BY d.device_id), '{}'), count(d.owner_user_id),
      count(*) FILTER (WHERE d.owner_user_id = p_user_id)
    INTO members, o_linked, o_owned
    FROM devices d
    WHERE d.group_id = p_registration_group_id AND d.active
      AND NOT regroup_is_migrated(d.device_id);
    SELECT coalesce(array_agg(id ORDER BY id), '{}'), count(*) INTO o_device_ids, o_device_count
    FROM unnest(members) id WHERE p_device_ids IS NULL OR id = ANY (p_device_ids);
    IF o_device_count = 0 THEN
      SELECT a.* INTO earlier FROM migration_audit_logs a
      WHERE a.registration_group_id = p_registration_group_id AND a.status = 'partial'
        AND (p_device_ids IS NULL OR a.device_ids && p_device_ids)
      ORDER BY a.created_at DESC
      LIMIT 1;
      IF NOT FOUND THEN
        outcome := 'no_devices';
      END IF;
    END IF;
  END IF;

  IF earlier.id IS NOT NULL THEN
    outcome := CASE WHEN earlier.status = 'success' THEN 'already_migrated'
                    ELSE 'migrated_in_parts' END;
    IF EXISTS (SELECT FROM group_memberships m
               WHERE m.group_id = earlier.authenticated_group_id AND m.user_id = p_user_id)
       OR EXISTS (SELECT FROM devices d
                  WHERE d.device_id = ANY (earlier.device_ids) AND d.owner_user_id = p_user_id) THEN
      o_migration_id := earlier.id;
      o_group_id := earlier.authenticated_group_id;
    END IF;
  ELSIF outcome IS NULL THEN
    outcome := CASE
      WHEN o_owned = 0 THEN 'not_device_owner'
      WHEN (p_require_owner = 'majority' AND 2 * o_owned <= o_linked)
        OR (p_require_owner = 'all_linked' AND o_owned < o_linked) THEN 'not_owner_of_enough'
      WHEN o_device_count > p_max_devices THEN 'too_many_devices'
      WHEN p_into_group_id IS NULL AND EXISTS (SELECT FROM groups g WHERE g.slug = p_slug)
        THEN 'group_name_exists'
      ELSE 'ready' END;
    IF outcome = 'ready' AND p_into_group_id IS NOT NULL THEN
      SELECT m.role INTO role_there FROM group_memberships m
      WHERE m.group_id = p_into_group_id AND m.user_id = p_user_id;
      SELECT count(*) INTO count_there FROM device_group_memberships m
      WHERE m.group_id = p_into_group_id AND m.device_id <> ALL (o_device_ids);
      outcome := CASE
        WHEN NOT EXISTS (SELECT FROM groups g WHERE g.id = p_into_group_id AND g.is_active)
          THEN 'group_not_found'
        WHEN role_there IS NULL THEN 'not_group_member'
        WHEN role_there NOT IN ('owner', 'admin') THEN 'forbidden'
        WHEN count_there + o_device_count > p_max_devices THEN 'too_many_devices'
        ELSE 'ready' END;
      IF outcome IN ('ready', 'too_many_devices') THEN
        SELECT g.name, g.slug INTO o_name, o_slug FROM groups g WHERE g.id = p_into_group_id;
      END IF;
      IF outcome = 'too_many_devices' THEN
        o_device_count := count_there + o_device_count;
      END IF;
    END IF;
  END IF;

  IF outcome IN ('already_migrated', 'migrated_in_parts', 'no_devices', 'not_device_owner') THEN
    o_device_ids := NULL;
  ELSE
    o_remaining := cardinality(members) - cardinality(o_device_ids);
    SELECT coalesce(array_agg(DISTINCT id ORDER BY id), '{}') INTO o_ignored
    FROM unnest(p_device_ids) id WHERE id <> ALL (o_device_ids);
  END IF;
  -- Said first of all by a migration. Looked at, not tried: for as long as a try lasts it would be
  -- somebody else's migration that is told so.
  IF EXISTS (SELECT FROM pg_catalog.pg_locks l
             WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted
               AND (l.classid::bigint << 32 | l.objid::bigint) = lock_key
               AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d
                                 WHERE d.datname = current_database())) THEN
    outcome := 'in_progress';
  END IF;
END
$$;

-- Migrations that were answered 202, until they have ended. What a migration writes is seen by nobody
-- before its COMMIT, so its replica says here, in transactions of their own, that it runs and how far it
-- has come; the others answer from this. Only what takes longer than migration.async_after is written
-- here, and the quick ones pay nothing.
CREATE TABLE IF NOT EXISTS regroup_running (
  migration_id uuid PRIMARY KEY,
  user_id uuid NOT NULL,
  registration_group_id varchar(255) NOT NULL,
  devices_total bigint NOT NULL,
  devices_processed bigint NOT NULL DEFAULT 0,
  received_at timestamptz NOT NULL DEFAULT now(), -- the request
  trace_id varchar(32), -- of its traceparent
  told_at timestamptz NOT NULL DEFAULT now() -- when its replica was last heard of
);

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
