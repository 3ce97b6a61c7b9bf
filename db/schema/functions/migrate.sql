-- A new id for a row of a group. It begins like the group's id, which is time-ordered (RFC 9562,
-- version 7), so that rows that are written together are close together in the index. Random ids of
-- memberships would each go to a page of their own, which a large database must fetch first and
-- write to its log as a whole.
CREATE OR REPLACE FUNCTION regroup_new_id(p_group_id uuid) RETURNS uuid
LANGUAGE sql VOLATILE PARALLEL SAFE
AS $$
  SELECT encode(substring(uuid_send(p_group_id) FROM 1 FOR 7)
                || substring(uuid_send(gen_random_uuid()) FROM 8), 'hex')::uuid
$$;

-- How many devices of a registration group are the user's; and of those that vote on whose it is
-- (migration.require_owner), how many there are and how many are the user's. A device votes once it
-- has been linked, and in the group, for long enough: one that was linked elsewhere long ago and
-- brought along today has no vote today.
CREATE OR REPLACE FUNCTION regroup_votes(
  p_registration_group_id text, p_user_id uuid, p_link_age_ms bigint,
  OUT owned bigint, OUT votes bigint, OUT owned_votes bigint)
LANGUAGE sql STABLE
AS $$
  SELECT count(*) FILTER (WHERE l.mine), count(*) FILTER (WHERE l.is_old_enough),
    count(*) FILTER (WHERE l.mine AND l.is_old_enough)
  FROM (SELECT d.owner_user_id = p_user_id AS mine,
          p_link_age_ms = 0
            OR greatest(coalesce(d.linked_at::timestamptz, d.created_at::timestamptz, '-infinity'),
                        d.group_joined_at)
               <= now() - p_link_age_ms * interval '1 ms' AS is_old_enough
        FROM regroup_devices_in(p_registration_group_id) d
        WHERE d.owner_user_id IS NOT NULL) l
$$;

-- One whole migration. db/migration.cpp sends it in one round trip with BEGIN and COMMIT. COMMIT is
-- on its way whatever the outcome: so every outcome except 'completed' has written nothing, and
-- what must not stay is undone by raising an error.
--
-- Why a function: a migration must take the lock in one statement and read in a later one that
-- depends on it. Sent one by one by the client, they would hold the lock for one more round trip
-- each. Inside, each statement of a VOLATILE function takes a fresh snapshot under READ COMMITTED,
-- which the second statement needs to see the commit of a migration that has just released the
-- lock.
--
-- Locks, in this order: the registration group's advisory lock (tried, never waited for); its
-- members' lock (waited for: a phone that registers holds it for a moment); the devices' rows in
-- ascending device_id (none if a look without locks shows that the migration is refused); the row
-- of the group that they are to go into, if it exists already; the slug and the audit row by their
-- unique indexes; the migration's id. Everything of Regroup's that takes two of these takes them in
-- this order. Other programs have orders of their own, so no row is waited for while another is held:
-- they are had at once or not at all (NOWAIT), and waited for one by one before
-- (regroup_wait_for_devices). Whatever else is waited for then, is for 100 ms: PostgreSQL looks for a
-- deadlock after deadlock_timeout (1 s). Then the other one has our locks, and db/settlement.cpp tries
-- again.
--
-- Planning anew each time was a sixth of a migration's cost to the server, so each statement is
-- planned once per session (db/statements.hpp, set_local), perhaps while the tables are empty. Each
-- is written so that only one index can answer it, whatever sizes the planner assumes: an EXISTS
-- with OFFSET 0 stays a look-up per row instead of a join over whole tables, and uuid_send() gives
-- the uuid's own order without tempting the planner to walk through all devices in that order.
CREATE OR REPLACE FUNCTION regroup_migrate_v3(
  p_migration_id uuid,
  p_group_id uuid,           -- of the new group; with p_into_group, of an existing one
  p_user_id uuid,
  p_registration_group_id text,
  p_name text,
  p_slug text,
  p_device_ids uuid[],       -- NULL: all of them
  p_max_devices bigint,      -- limits.max_devices_per_group
  p_default_max_devices int, -- the default of groups.max_devices
  p_idempotency_key text,    -- NULL: none
  p_request_hash text,
  p_require_owner text DEFAULT 'any', -- migration.require_owner; 'majority', 'all_linked'
  p_into_group boolean DEFAULT false, -- into an existing group: its owner or admin must ask
  p_trace_id text DEFAULT NULL,    -- of the request
  p_received_us bigint DEFAULT 0,  -- how long ago its replica received it,
  p_started_us bigint DEFAULT 0,   -- and a worker began it
  p_link_age_ms bigint DEFAULT 0,  -- migration.link_age: how long a voting device has been there
  p_wait_ms bigint DEFAULT 0,      -- for devices' rows that others have locked; 0: fail (55P03)
  OUT outcome text,
  OUT o_migration_id uuid,
  OUT o_group_id uuid,
  OUT o_name text,
  OUT o_slug text,
  OUT o_device_ids uuid[],
  OUT o_remaining bigint,
  OUT o_ignored uuid[],
  OUT o_device_count bigint,
  OUT o_linked bigint, -- devices of the registration group that have an owner and a vote,
  OUT o_owned bigint,  -- and are the caller's
  OUT o_lock_us bigint -- from BEGIN until all locks were held; NULL: it did not get that far
) LANGUAGE plpgsql VOLATILE
AS $$
#variable_conflict use_column
DECLARE
  lock_key CONSTANT bigint := regroup_lock_key(p_registration_group_id);
  -- Ids of memberships begin like the migration's, which is time-ordered (RFC 9562, version 7), so that
  -- rows that are written together are close together in the index; their last 32 bits are a number.
  id_prefix CONSTANT text := left(translate(p_migration_id::text, '-', ''), 24);
  is_clear boolean; -- a look without locks has shown that nothing is in the way
  key_was_used boolean := false;
  locked_ids uuid[];
  locked_at timestamptz;
  user_is_active boolean;
  earlier_id uuid; -- a migration that is in the way of this one
  earlier_status migration_status;
  earlier_group_id uuid;
  earlier_device_ids uuid[];
  is_free_again boolean := false; -- it was migrated, into a group that is no more
  new_slug text := p_slug;
  is_fenced boolean; -- settled as one that never happens (functions/settle.sql)
  is_followed boolean; -- some endpoint wants to know (functions/events.sql); most databases have none
  first_use migration_audit_logs; -- of the Idempotency-Key
  remaining uuid[] := '{}'; -- what a partial migration leaves behind
  kind migration_status := CASE WHEN p_device_ids IS NULL THEN 'success' ELSE 'partial' END;
  role_there group_role;
  count_there bigint;
  owned_of_all bigint; -- the caller's devices, with a vote or without
BEGIN
  IF NOT pg_catalog.pg_try_advisory_xact_lock(lock_key) THEN
    outcome := 'in_progress';
    RETURN;
  END IF;
  -- regroup_members_key() of the same id. An IF, since plpgsql evaluates its condition by itself, and
  -- runs a whole query for PERFORM.
  IF pg_catalog.pg_advisory_xact_lock(~lock_key) IS NULL THEN
    NULL;
  END IF;

  -- Nearly always nothing is in the way: the user is active, nothing was migrated before, neither the
  -- name nor the string is a group's, the name is no other devices' string, and the devices are in no
  -- group, not too many, and one of them is the user's. One look shows that, and locks nothing. Whatever
  -- else it shows is looked at again below, one thing after the other.
  IF p_idempotency_key IS NOT NULL THEN
    key_was_used := EXISTS (SELECT FROM migration_audit_logs a
                            WHERE a.user_id = p_user_id AND a.idempotency_key = p_idempotency_key)
      OR EXISTS (SELECT FROM migration_audit_logs a
                 WHERE a.rolled_back_by = p_user_id AND a.rollback_key = p_idempotency_key);
  END IF;
  IF p_device_ids IS NULL AND NOT key_was_used AND p_require_owner = 'any' AND NOT p_into_group
     AND p_wait_ms = 0 THEN
    SELECT array_agg(l.device_id), count(*),
      count(*) FILTER (WHERE l.mine) > 0 AND count(*) <= least(p_max_devices, 1000)
        AND NOT bool_or(l.is_in_group)
        AND (SELECT u.is_active FROM users u WHERE u.id = p_user_id)
        AND NOT EXISTS (SELECT FROM migration_audit_logs a
                        WHERE a.registration_group_id = p_registration_group_id
                          AND a.status = 'success')
        AND NOT EXISTS (SELECT FROM migration_audit_logs a
                        WHERE a.registration_group_id = p_registration_group_id
                          AND a.status = 'partial')
        AND NOT EXISTS (SELECT FROM groups g WHERE g.slug IN (p_slug, p_registration_group_id))
        AND (p_slug = p_registration_group_id
             OR NOT EXISTS (SELECT FROM devices o WHERE o.group_id = p_slug AND o.active))
    INTO o_device_ids, o_device_count, is_clear
    FROM (SELECT d.device_id, d.owner_user_id = p_user_id AS mine,
            EXISTS (SELECT FROM device_group_memberships m WHERE m.device_id = d.device_id
                    OFFSET 0) AS is_in_group
          FROM devices d
          WHERE d.group_id = p_registration_group_id AND d.active
          LIMIT least(p_max_devices, 1000) + 1) l;
  END IF;

  IF is_clear THEN
    IF pg_catalog.set_config('lock_timeout', '100ms', true) IS NULL THEN -- see above
      NULL;
    END IF;
    SELECT array_agg(l.device_id) INTO locked_ids
    FROM (SELECT d.device_id FROM devices d
          WHERE d.device_id = ANY (o_device_ids) AND d.group_id = p_registration_group_id AND d.active
          ORDER BY uuid_send(d.device_id)
          FOR NO KEY UPDATE OF d NOWAIT) l;
    IF cardinality(locked_ids) IS DISTINCT FROM o_device_count THEN
      RAISE EXCEPTION 'somebody else has moved a device meanwhile' USING ERRCODE = 'RG001';
    END IF;
    o_device_ids := locked_ids; -- in ascending order
    locked_at := clock_timestamp();
  ELSE
    SELECT u.is_active, a.id, a.status, a.authenticated_group_id, a.device_ids
    INTO user_is_active, earlier_id, earlier_status, earlier_group_id, earlier_device_ids
    FROM users u
    LEFT JOIN migration_audit_logs a
      ON a.registration_group_id = p_registration_group_id AND a.status = 'success'
    WHERE u.id = p_user_id;
    IF user_is_active IS NOT TRUE THEN
      outcome := 'unauthorized';
      RETURN;
    END IF;

    IF p_idempotency_key IS NOT NULL THEN
      SELECT a.* INTO first_use FROM migration_audit_logs a
      WHERE a.user_id = p_user_id AND a.idempotency_key = p_idempotency_key;
      IF NOT FOUND THEN
        IF EXISTS (SELECT FROM migration_audit_logs a
                   WHERE a.rolled_back_by = p_user_id AND a.rollback_key = p_idempotency_key) THEN
          outcome := 'idempotency_mismatch'; -- used for an undo
          RETURN;
        END IF;
      ELSE
        IF first_use.request_hash IS DISTINCT FROM p_request_hash THEN
          outcome := 'idempotency_mismatch';
          RETURN;
        END IF;
        -- Its COMMIT may have ended without the standby's word: something for this one to write, so
        -- that its promise covers what was written before.
        PERFORM pg_catalog.pg_logical_emit_message(true, 'regroup', '');
        outcome := 'replayed';
        o_migration_id := first_use.id;
        o_group_id := coalesce(first_use.authenticated_group_id, first_use.undone_group_id);
        o_name := first_use.group_name;
        o_slug := first_use.group_slug;
        o_device_ids := first_use.device_ids;
        o_remaining := first_use.devices_remaining;
        o_ignored := first_use.ignored_device_ids;
        RETURN;
      END IF;
    END IF;

    IF earlier_id IS NOT NULL THEN
      -- Another program may have deleted the group: then its registration group is free again.
      SELECT a.id, a.status, a.authenticated_group_id, a.device_ids
      INTO earlier_id, earlier_status, earlier_group_id, earlier_device_ids
      FROM migration_audit_logs a JOIN groups g ON g.id = a.authenticated_group_id AND g.is_active
      WHERE a.registration_group_id = p_registration_group_id AND a.status = 'success'
      LIMIT 1;
      is_free_again := earlier_id IS NULL;
    END IF;

    IF earlier_id IS NULL THEN
      -- The last condition of the lock is regroup_is_migrated(d.device_id), written out: a call would not be
      -- inlined. No row is locked, which is written to PostgreSQL's log, before a look has shown that nothing
      -- is in the way.
      IF pg_catalog.set_config('lock_timeout', '100ms', true) IS NULL THEN -- see above
        NULL;
      END IF;
      IF p_wait_ms > 0 THEN
        PERFORM regroup_wait_for_devices(p_registration_group_id, p_device_ids, p_wait_ms);
      END IF;
      SELECT b.obstacle, b.earlier_id, b.name, b.slug, b.device_count, b.linked, b.owned
      INTO outcome, earlier_id, o_name, new_slug, o_device_count, o_linked, o_owned
      FROM regroup_migration_obstacle_v2(p_group_id, p_user_id, p_registration_group_id, p_slug,
        p_device_ids, p_max_devices, p_require_owner, p_into_group, p_link_age_ms) b;
      IF outcome IS NOT NULL THEN
        RETURN;
      END IF;
      IF earlier_id IS NOT NULL THEN -- the string is the slug of the group that it made
        SELECT 'success', a.authenticated_group_id, a.device_ids
        INTO earlier_status, earlier_group_id, earlier_device_ids
        FROM migration_audit_logs a WHERE a.id = earlier_id;
      ELSE
        PERFORM regroup_take_back(p_registration_group_id,
                                CASE WHEN NOT is_free_again THEN p_device_ids END);
        SELECT coalesce(array_agg(l.device_id), '{}'), count(*), count(l.mine),
          count(*) FILTER (WHERE l.mine)
        INTO o_device_ids, o_device_count, o_linked, o_owned
        FROM (SELECT d.device_id, d.owner_user_id = p_user_id AS mine -- NULL: it has no owner
              FROM devices d
              WHERE d.group_id = p_registration_group_id AND d.active
                AND (p_device_ids IS NULL OR d.device_id = ANY (p_device_ids))
                AND NOT EXISTS (
                  SELECT FROM device_group_memberships m
                  WHERE m.device_id = d.device_id
                    AND EXISTS (
                      SELECT FROM migration_audit_logs a
                      WHERE a.authenticated_group_id = m.group_id AND a.status IN ('success', 'partial')
                        AND d.device_id = ANY (a.device_ids)
                      OFFSET 0)
                    AND EXISTS (SELECT FROM groups g WHERE g.id = m.group_id AND g.is_active OFFSET 0)
                  OFFSET 0)
              ORDER BY uuid_send(d.device_id)
              FOR NO KEY UPDATE OF d NOWAIT) l;
      END IF;
      locked_at := CASE WHEN earlier_id IS NULL THEN clock_timestamp() END;

      IF o_device_count = 0 THEN
        -- Nothing to migrate: never was there anything, or an earlier migration took all of it? Perhaps
        -- just now: another program's, which held the rows.
        SELECT a.id, a.status, a.authenticated_group_id, a.device_ids
        INTO earlier_id, earlier_status, earlier_group_id, earlier_device_ids
        FROM migration_audit_logs a JOIN groups g ON g.id = a.authenticated_group_id AND g.is_active
        WHERE (a.registration_group_id = p_registration_group_id AND a.status = 'success')
           OR (a.registration_group_id = p_registration_group_id AND a.status = 'partial'
               AND (p_device_ids IS NULL OR a.device_ids && p_device_ids))
        ORDER BY a.status, a.created_at DESC
        LIMIT 1;
        IF NOT FOUND THEN
          outcome := 'no_devices';
          RETURN;
        END IF;
      END IF;
    END IF;

    IF earlier_id IS NOT NULL THEN
      outcome := CASE WHEN earlier_status = 'success' THEN 'already_migrated'
                      ELSE 'migrated_in_parts' END;
      -- Only those whom it concerns learn what became of it; of the group's name, which its members see
      -- elsewhere, those whose device was taken along.
      IF EXISTS (SELECT FROM group_memberships m
                 WHERE m.group_id = earlier_group_id AND m.user_id = p_user_id)
         OR EXISTS (SELECT FROM migration_audit_logs a
                    WHERE a.id = earlier_id AND a.user_id = p_user_id) THEN
        o_migration_id := earlier_id;
        o_group_id := earlier_group_id;
      ELSIF EXISTS (SELECT FROM devices d
                    WHERE d.device_id = ANY (earlier_device_ids) AND d.owner_user_id = p_user_id) THEN
        o_migration_id := earlier_id;
        o_group_id := earlier_group_id;
        SELECT g.name INTO o_name FROM groups g WHERE g.id = earlier_group_id;
      END IF;
      RETURN;
    END IF;

    -- Whose the registration group is, is not for the caller's choice of devices to say.
    owned_of_all := o_owned;
    IF (p_require_owner <> 'any' AND (p_device_ids IS NOT NULL OR p_link_age_ms <> 0))
       OR (p_device_ids IS NOT NULL AND o_owned = 0) THEN -- else each that was read has a vote
      SELECT v.owned, v.votes, v.owned_votes INTO owned_of_all, o_linked, o_owned
      FROM regroup_votes(p_registration_group_id, p_user_id, p_link_age_ms) v;
    END IF;
    IF owned_of_all = 0 THEN
      outcome := 'not_device_owner';
      RETURN;
    END IF;
    -- Where no device has a vote yet, the caller's are none of the majority either.
    IF (p_require_owner = 'majority' AND 2 * o_owned <= o_linked)
       OR (p_require_owner = 'all_linked' AND (o_owned < o_linked OR o_owned = 0)) THEN
      outcome := 'not_owner_of_enough';
      RETURN;
    END IF;
    IF o_device_count > p_max_devices THEN
      outcome := 'too_many_devices';
      RETURN;
    END IF;

    IF p_into_group THEN
      SELECT g.name, g.slug INTO o_name, o_slug FROM groups g
      WHERE g.id = p_group_id AND g.is_active
      FOR NO KEY UPDATE;
      locked_at := clock_timestamp();
      IF NOT FOUND THEN
        outcome := 'group_not_found';
        RETURN;
      END IF;
      SELECT m.role INTO role_there FROM group_memberships m
      WHERE m.group_id = p_group_id AND m.user_id = p_user_id;
      IF NOT FOUND OR role_there NOT IN ('owner', 'admin') THEN
        outcome := CASE WHEN role_there IS NULL THEN 'not_group_member' ELSE 'forbidden' END;
        RETURN;
      END IF;
      SELECT count(*) INTO count_there FROM regroup_devices_of_group(p_group_id) m
      WHERE m.device_id <> ALL (o_device_ids);
      IF count_there + o_device_count > p_max_devices THEN
        outcome := 'too_many_devices';
        o_device_count := count_there + o_device_count;
        RETURN;
      END IF;
    END IF;
  END IF;

  o_lock_us := date_part('epoch', locked_at - now()) * 1000000;
  o_ignored := '{}';
  IF p_device_ids IS NOT NULL THEN
    SELECT coalesce(array_agg(d.device_id ORDER BY uuid_send(d.device_id)), '{}') INTO remaining
    FROM regroup_devices_in(p_registration_group_id) d WHERE d.device_id <> ALL (o_device_ids);
    SELECT coalesce(array_agg(id ORDER BY id), '{}') INTO o_ignored
    FROM unnest(p_device_ids) id WHERE id <> ALL (o_device_ids);
  END IF;
  o_remaining := cardinality(remaining);

  -- Plain statements, one after the other: all in one, as a WITH, cost the server a tenth more.
  IF p_into_group THEN
    UPDATE groups g SET max_devices = count_there + o_device_count, updated_at = now()
    WHERE g.id = p_group_id AND g.max_devices < count_there + o_device_count;
  ELSE
    o_name := p_name;
    o_slug := new_slug;
    INSERT INTO groups (id, name, slug, max_devices, created_by)
    VALUES (p_group_id, p_name, new_slug, greatest(p_default_max_devices, o_device_count), p_user_id)
    ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
      -- Since the look. If it was another program's migration of this registration group, the next
      -- attempt finds that.
      IF new_slug <> p_slug
         OR EXISTS (SELECT FROM migration_audit_logs a
                    JOIN groups g ON g.id = a.authenticated_group_id AND g.is_active
                    WHERE a.registration_group_id = p_registration_group_id
                      AND a.status = 'success') THEN
        RAISE EXCEPTION 'another migration was recorded first' USING ERRCODE = 'RG001';
      END IF;
      o_name := NULL;
      outcome := 'group_name_exists';
      RETURN;
    END IF;
    INSERT INTO group_memberships (id, group_id, user_id, role)
    VALUES ((id_prefix || '00000000')::uuid, p_group_id, p_user_id, 'owner');
  END IF;

  IF p_into_group OR o_device_count > 1000 THEN
    PERFORM regroup_move_devices(p_group_id, p_user_id, o_slug, o_device_ids);
  ELSE -- nearly always
    INSERT INTO device_group_memberships (id, device_id, group_id, added_by)
    SELECT (id_prefix || lpad(to_hex(n), 8, '0'))::uuid, device_id, p_group_id, p_user_id
    FROM unnest(o_device_ids) WITH ORDINALITY AS each(device_id, n);
    UPDATE devices d SET group_id = o_slug, updated_at = now()
    WHERE d.device_id = ANY (o_device_ids);
  END IF;

  IF is_free_again THEN -- its deletion was the end of that migration, as an undo is
    UPDATE migration_audit_logs a
    SET status = 'failed', error_message = 'Its group was deleted', rolled_back_at = now(),
        undone_group_id = a.authenticated_group_id
    WHERE a.registration_group_id = p_registration_group_id AND a.status = 'success';
  END IF;
  -- The lock of the id, in a statement before the one that looks for the fence.
  IF pg_catalog.pg_advisory_xact_lock(regroup_id_key(p_migration_id)) IS NULL THEN
    NULL;
  END IF;
  INSERT INTO migration_audit_logs (
    id, user_id, registration_group_id, authenticated_group_id, devices_migrated, device_ids,
    status, duration_ms, idempotency_key, request_hash, group_name, group_slug,
    devices_remaining, ignored_device_ids, excluded_device_ids, trace_id, received_at, started_at,
    locked_at)
  VALUES (p_migration_id, p_user_id, p_registration_group_id, p_group_id, o_device_count,
    o_device_ids, kind, (extract(epoch FROM clock_timestamp() - now()) * 1000)::int,
    p_idempotency_key, p_request_hash, o_name, o_slug, o_remaining, o_ignored, remaining,
    p_trace_id, now() - p_received_us * interval '1 us', now() - p_started_us * interval '1 us',
    locked_at)
  RETURNING EXISTS (SELECT FROM regroup_webhook_endpoints w WHERE w.is_active),
    EXISTS (SELECT FROM regroup_operations o WHERE o.id = p_migration_id)
  INTO is_followed, is_fenced;
  -- By an administrator who cancelled it (functions/live.sql), or by somebody who found its replica
  -- silent (functions/running.sql).
  IF is_fenced THEN
    RAISE EXCEPTION 'the migration has been recorded as failed' USING ERRCODE = 'RG002';
  END IF;
  IF is_followed THEN
    PERFORM regroup_record_event_v1('migration.completed', p_migration_id, p_registration_group_id);
  END IF;

  outcome := 'completed';
  o_migration_id := p_migration_id;
  o_group_id := p_group_id;
END
$$;

-- Why a migration is refused, as far as can be seen without locks, in the order of
-- regroup_migrate_v3, which checks again once it has locked the rows. NULL: try it. A caller who
-- owns no device is refused without looking at each device.
CREATE OR REPLACE FUNCTION regroup_migration_obstacle_v2(
  p_group_id uuid, p_user_id uuid, p_registration_group_id text, p_slug text, p_device_ids uuid[],
  p_max_devices bigint, p_require_owner text, p_into_group boolean, p_link_age_ms bigint,
  OUT obstacle text,
  OUT earlier_id uuid, -- the string is the slug of a living group, which this migration made
  OUT name text,       -- which is taken, if that is not p_slug
  OUT slug text,       -- for the new group
  OUT device_count bigint, OUT linked bigint, OUT owned bigint)
LANGUAGE plpgsql STABLE
AS $$
#variable_conflict use_column
DECLARE
  behind record;
  role_there group_role;
  count_there bigint;
BEGIN
  slug := p_slug;
  SELECT b.group_id, b.migration_id INTO behind
  FROM regroup_group_of_string(p_registration_group_id) b;
  earlier_id := behind.migration_id;
  IF earlier_id IS NOT NULL
     OR NOT EXISTS (SELECT FROM regroup_devices_in(p_registration_group_id) d
                    WHERE p_device_ids IS NULL OR d.device_id = ANY (p_device_ids)) THEN
    RETURN; -- migrated, or nothing to migrate: no row will be locked
  END IF;
  -- By the caller's devices, of which there are few.
  IF NOT EXISTS (SELECT FROM devices d
                 WHERE d.owner_user_id = p_user_id AND d.active
                   AND d.group_id || '' = p_registration_group_id
                   AND NOT regroup_is_migrated(d.device_id))
     AND NOT EXISTS (SELECT FROM regroup_returned_devices(p_registration_group_id) d
                     WHERE d.owner_user_id = p_user_id) THEN
    obstacle := 'not_device_owner';
    RETURN;
  END IF;
  IF p_require_owner <> 'any' THEN
    SELECT v.votes, v.owned_votes INTO linked, owned
    FROM regroup_votes(p_registration_group_id, p_user_id, p_link_age_ms) v;
    IF (p_require_owner = 'majority' AND 2 * owned <= linked)
       OR (p_require_owner = 'all_linked' AND (owned < linked OR owned = 0)) THEN
      obstacle := 'not_owner_of_enough';
      RETURN;
    END IF;
  END IF;
  SELECT count(*) INTO device_count FROM regroup_devices_in(p_registration_group_id) d
  WHERE p_device_ids IS NULL OR d.device_id = ANY (p_device_ids);
  IF device_count > p_max_devices THEN
    obstacle := 'too_many_devices';
    RETURN;
  END IF;
  IF behind.group_id IS NOT NULL THEN
    obstacle := 'group_name_exists';
    name := p_registration_group_id;
    RETURN;
  END IF;
  IF NOT p_into_group THEN
    slug := regroup_free_slug(p_slug, p_registration_group_id);
    obstacle := CASE WHEN slug IS NULL THEN 'group_name_exists' END;
    RETURN;
  END IF;
  SELECT m.role INTO role_there FROM group_memberships m
  WHERE m.group_id = p_group_id AND m.user_id = p_user_id;
  obstacle := CASE
    WHEN NOT EXISTS (SELECT FROM groups g WHERE g.id = p_group_id AND g.is_active)
      THEN 'group_not_found'
    WHEN role_there IS NULL THEN 'not_group_member'
    WHEN role_there NOT IN ('owner', 'admin') THEN 'forbidden' END;
  IF obstacle IS NOT NULL THEN
    RETURN;
  END IF;
  SELECT count(*) INTO count_there FROM regroup_devices_of_group(p_group_id) m
  WHERE NOT EXISTS (
    SELECT FROM regroup_devices_in(p_registration_group_id) d
    WHERE d.device_id = m.device_id AND (p_device_ids IS NULL OR d.device_id = ANY (p_device_ids)));
  IF count_there + device_count > p_max_devices THEN
    obstacle := 'too_many_devices';
    device_count := count_there + device_count;
  END IF;
END
$$;

-- Waits until no other session holds a row of the registration group's devices, and holds none itself:
-- what a subtransaction has locked is free after its ROLLBACK.
CREATE OR REPLACE FUNCTION regroup_wait_for_devices(
  p_string text, p_device_ids uuid[], p_wait_ms bigint) RETURNS void
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
  until CONSTANT timestamptz := clock_timestamp() + p_wait_ms * interval '1 ms';
  free uuid[];
  held uuid;
BEGIN
  LOOP
    BEGIN
      SELECT coalesce(array_agg(l.device_id), '{}') INTO free
      FROM (SELECT d.device_id FROM devices d WHERE d.group_id = p_string AND d.active
            FOR NO KEY UPDATE SKIP LOCKED) l;
      RAISE EXCEPTION USING ERRCODE = 'RG000';
    EXCEPTION WHEN SQLSTATE 'RG000' THEN
      NULL;
    END;
    SELECT d.device_id INTO held FROM devices d
    WHERE d.group_id = p_string AND d.active AND d.device_id <> ALL (free)
      AND (p_device_ids IS NULL OR d.device_id = ANY (p_device_ids))
    LIMIT 1;
    EXIT WHEN NOT FOUND;
    BEGIN
      PERFORM set_config('lock_timeout', greatest(
        (extract(epoch FROM until - clock_timestamp()) * 1000)::bigint, 1)::text, true);
      PERFORM FROM devices d WHERE d.device_id = held FOR NO KEY UPDATE;
      RAISE EXCEPTION USING ERRCODE = 'RG000';
    EXCEPTION WHEN SQLSTATE 'RG000' THEN -- which resets lock_timeout as well
      NULL;
    END;
  END LOOP;
END
$$;

-- Gives the devices that came back to a registration group its string, before a migration takes them:
-- all that it will take are locked in its order first.
CREATE OR REPLACE FUNCTION regroup_take_back(p_string text, p_device_ids uuid[]) RETURNS void
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
  returned uuid[] := ARRAY(
    SELECT r.device_id FROM regroup_returned_devices(p_string) r
    WHERE p_device_ids IS NULL OR r.device_id = ANY (p_device_ids));
BEGIN
  IF returned = '{}' THEN
    RETURN;
  END IF;
  PERFORM FROM devices d
  WHERE d.device_id = ANY (returned || ARRAY(
    SELECT n.device_id FROM regroup_devices_in(p_string) n
    WHERE p_device_ids IS NULL OR n.device_id = ANY (p_device_ids)))
  ORDER BY uuid_send(d.device_id) FOR NO KEY UPDATE;
  UPDATE devices d SET group_id = p_string, updated_at = now()
  WHERE d.device_id = ANY (returned)
    AND EXISTS (SELECT FROM regroup_returned_devices(p_string) r WHERE r.device_id = d.device_id);
END
$$;

-- For replicas of an earlier version, which are still running after a newer one installed its
-- functions.
CREATE OR REPLACE FUNCTION regroup_migrate_v2(
  p_migration_id uuid, p_group_id uuid, p_user_id uuid, p_registration_group_id text, p_name text,
  p_slug text, p_device_ids uuid[], p_max_devices bigint, p_default_max_devices int,
  p_idempotency_key text, p_request_hash text, p_require_owner text DEFAULT 'any',
  p_into_group boolean DEFAULT false, p_trace_id text DEFAULT NULL, p_received_us bigint DEFAULT 0,
  p_started_us bigint DEFAULT 0, p_link_age_ms bigint DEFAULT 0,
  OUT outcome text, OUT o_migration_id uuid, OUT o_group_id uuid, OUT o_name text, OUT o_slug text,
  OUT o_device_ids uuid[], OUT o_remaining bigint, OUT o_ignored uuid[], OUT o_device_count bigint,
  OUT o_linked bigint, OUT o_owned bigint, OUT o_locked_at timestamptz)
LANGUAGE sql VOLATILE
AS $$
  SELECT outcome, o_migration_id, o_group_id, o_name, o_slug, o_device_ids, o_remaining, o_ignored,
    o_device_count, o_linked, o_owned, now() + o_lock_us * interval '1 us'
  FROM regroup_migrate_v3(
    p_migration_id, p_group_id, p_user_id, p_registration_group_id, p_name, p_slug, p_device_ids,
    p_max_devices, p_default_max_devices, p_idempotency_key, p_request_hash, p_require_owner,
    p_into_group, p_trace_id, p_received_us, p_started_us, p_link_age_ms,
    (SELECT extract(epoch FROM current_setting('lock_timeout')::interval) * 1000)::bigint)
$$;

CREATE OR REPLACE FUNCTION regroup_migrate_v1(
  p_migration_id uuid, p_group_id uuid, p_user_id uuid, p_registration_group_id text, p_name text,
  p_slug text, p_device_ids uuid[], p_max_devices bigint, p_default_max_devices int,
  p_idempotency_key text, p_request_hash text, p_require_owner text DEFAULT 'any',
  p_into_group boolean DEFAULT false, p_trace_id text DEFAULT NULL, p_received_us bigint DEFAULT 0,
  p_started_us bigint DEFAULT 0,
  OUT outcome text, OUT o_migration_id uuid, OUT o_group_id uuid, OUT o_name text, OUT o_slug text,
  OUT o_device_ids uuid[], OUT o_remaining bigint, OUT o_ignored uuid[], OUT o_device_count bigint,
  OUT o_linked bigint, OUT o_owned bigint, OUT o_locked_at timestamptz)
LANGUAGE sql VOLATILE
AS $$
  SELECT * FROM regroup_migrate_v2(
    p_migration_id, p_group_id, p_user_id, p_registration_group_id, p_name, p_slug, p_device_ids,
    p_max_devices, p_default_max_devices, p_idempotency_key, p_request_hash, p_require_owner,
    p_into_group, p_trace_id, p_received_us, p_started_us)
$$;

-- Moves the devices of a migration in slices: for a large group, and for an existing group, to
-- which one of the devices may have been added by hand. Reports its progress to the client at once,
-- the only thing that leaves a transaction before its end (db/connection.cpp receives it). INFO is
-- sent whatever client_min_messages is, and no usual log_min_messages logs it.
CREATE OR REPLACE FUNCTION regroup_move_devices(
  p_group_id uuid, p_user_id uuid, p_slug text, p_device_ids uuid[]) RETURNS void
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
  total int := cardinality(p_device_ids);
  at_once CONSTANT int := 500;
  slice uuid[];
BEGIN
  FOR begins IN 1 .. total BY at_once LOOP
    slice := p_device_ids[begins : begins + at_once - 1];
    INSERT INTO device_group_memberships (id, device_id, group_id, added_by)
    SELECT regroup_new_id(p_group_id), device_id, p_group_id, p_user_id FROM unnest(slice) AS device_id
    ON CONFLICT (device_id, group_id) DO NOTHING;
    UPDATE devices d SET group_id = p_slug, updated_at = now() WHERE d.device_id = ANY (slice);
    RAISE INFO 'regroup.progress %/%', least(begins + at_once - 1, total), total;
  END LOOP;
END
$$;
