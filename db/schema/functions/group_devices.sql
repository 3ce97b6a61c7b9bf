-- The keys of the registration groups that a change of these devices concerns: the one that each
-- device is in, and the one that it left by this group's migration and would return to. In
-- ascending order.
CREATE OR REPLACE FUNCTION regroup_members_keys_of_change(p_group_id uuid, p_device_ids uuid[])
RETURNS bigint[]
LANGUAGE sql STABLE
AS $$
  SELECT coalesce(array_agg(DISTINCT regroup_members_key(s.registration_group_id)
                            ORDER BY regroup_members_key(s.registration_group_id)), '{}')
  FROM (SELECT d.group_id AS registration_group_id FROM devices d
        WHERE d.device_id = ANY (p_device_ids) AND NOT regroup_is_migrated(d.device_id)
        UNION ALL
        SELECT a.registration_group_id FROM migration_audit_logs a
        WHERE a.authenticated_group_id = p_group_id AND a.status IN ('success', 'partial')
          AND a.device_ids && p_device_ids) s
$$;

-- The result of a change for each of p_device_ids, in their order: 'done', or why not; and the
-- number of devices in the group.
CREATE OR REPLACE FUNCTION regroup_verdicts_of_change(
  p_user_id uuid, p_role text, p_group_id uuid, p_action text, p_device_ids uuid[], p_limit bigint,
  OUT verdicts text[], OUT device_count bigint)
LANGUAGE sql STABLE
AS $$
  SELECT array_agg(CASE WHEN v.verdict = 'done' AND p_action = 'add'
                             AND c.in_group + v.done_so_far > p_limit THEN 'group_full'
                        ELSE v.verdict END ORDER BY v.place),
    min(c.in_group)
  FROM (SELECT w.place, w.verdict,
               count(*) FILTER (WHERE w.verdict = 'done') OVER (ORDER BY w.place) AS done_so_far
        FROM (SELECT asked.place,
                CASE
                WHEN p_action = 'add' THEN
                  CASE WHEN d.active IS NOT TRUE THEN 'not_found' -- unknown as well
                       WHEN d.owner_user_id IS DISTINCT FROM p_user_id THEN 'not_owner_of_device'
                       WHEN m.device_id IS NOT NULL THEN 'already_in_group'
                       ELSE 'done' END
                ELSE
                  CASE WHEN p_role IS NULL AND d.owner_user_id IS DISTINCT FROM p_user_id
                         THEN 'not_owner_of_device'
                       WHEN m.device_id IS NULL THEN 'not_found'
                       WHEN coalesce(p_role, 'member') NOT IN ('owner', 'admin')
                            AND d.owner_user_id IS DISTINCT FROM p_user_id THEN 'not_owner_of_device'
                       ELSE 'done' END
                END AS verdict
              FROM unnest(p_device_ids) WITH ORDINALITY AS asked(device_id, place)
              LEFT JOIN devices d ON d.device_id = asked.device_id
              LEFT JOIN regroup_devices_of_group(p_group_id) m ON m.device_id = asked.device_id) w) v,
    (SELECT count(*) AS in_group FROM regroup_devices_of_group(p_group_id)) c
$$;

-- Adds devices to a group or removes them. db/group_devices.cpp sends it in one round trip with
-- BEGIN and COMMIT: every outcome except 'changed' has written nothing.
--
-- Locks, in this order: the Idempotency-Key, so that the second of two concurrent requests with it
-- gets the first one's answer; the members' locks of the devices' registration groups, shared, in
-- ascending order of their keys; the devices' rows in ascending device_id; the group's row. A
-- migration takes the last three kinds in the same order: a device that is added or removed while
-- its registration group is being migrated waits for the end of the migration, and then sees what
-- it did. A change that can be refused without locks takes none of the last three.
CREATE OR REPLACE FUNCTION regroup_change_devices_v1(
  p_change_id uuid,
  p_user_id uuid,
  p_group_id uuid,
  p_action text,       -- 'add', 'remove'
  p_device_ids uuid[], -- no id twice
  p_partial boolean,   -- do what is possible; otherwise all or nothing
  p_idempotency_key text, -- NULL: none
  p_request_hash text,
  OUT outcome text,
  OUT o_verdicts text[],      -- one for each of p_device_ids: 'done', or why not
  OUT o_device_count bigint,  -- in the group, before the change
  OUT o_limit bigint,
  OUT o_changed_at timestamptz
) LANGUAGE plpgsql VOLATILE
AS $$
#variable_conflict use_column
DECLARE
  earlier regroup_device_changes;
  caller_role text;
  is_active boolean;
  keys bigint[];
  key bigint;
  slug_of_group text;
  done uuid[];
  not_migrated uuid[];
BEGIN
  IF NOT EXISTS (SELECT FROM users u WHERE u.id = p_user_id AND u.is_active) THEN
    outcome := 'unauthorized';
    RETURN;
  END IF;

  IF p_idempotency_key IS NOT NULL THEN
    PERFORM pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended(
      'regroup:change:' || p_user_id || ':' || p_idempotency_key, 0));
    SELECT c.* INTO earlier FROM regroup_device_changes c
    WHERE c.user_id = p_user_id AND c.idempotency_key = p_idempotency_key;
    IF FOUND THEN
      outcome := CASE WHEN earlier.request_hash = p_request_hash THEN 'replayed'
                      ELSE 'idempotency_mismatch' END;
      o_verdicts := earlier.verdicts;
      o_changed_at := earlier.created_at;
      IF outcome = 'replayed' THEN -- as in migrate.sql: this COMMIT's promise is to cover that one
        PERFORM pg_catalog.pg_logical_emit_message(true, 'regroup', '');
      END IF;
      RETURN;
    END IF;
  END IF;

  SELECT g.is_active IS TRUE, g.slug, coalesce(g.max_devices, 2147483647)
  INTO is_active, slug_of_group, o_limit
  FROM groups g WHERE g.id = p_group_id;
  IF is_active THEN
    SELECT m.role::text INTO caller_role FROM group_memberships m
    WHERE m.group_id = p_group_id AND m.user_id = p_user_id;
  END IF;
  -- Who is no member may take out what is theirs, and learns nothing of the rest. So may everybody
  -- where another program has made the group inactive: there is nothing else left to do with it.
  IF caller_role IS NULL AND (is_active IS NULL OR p_action = 'add' OR NOT EXISTS (
       SELECT FROM devices d
       WHERE d.device_id = ANY (p_device_ids) AND d.owner_user_id = p_user_id)) THEN
    outcome := CASE WHEN is_active THEN 'not_group_member' ELSE 'not_found' END;
    RETURN;
  END IF;
  IF p_action = 'add' AND caller_role = 'viewer' THEN
    outcome := 'forbidden';
    RETURN;
  END IF;

  -- A look first: no row is locked where nothing is to be done.
  SELECT v.verdicts, v.device_count INTO o_verdicts, o_device_count
  FROM regroup_verdicts_of_change(p_user_id, caller_role, p_group_id, p_action, p_device_ids,
                                  o_limit) v;
  IF 'done' = ALL (o_verdicts) OR (p_partial AND 'done' = ANY (o_verdicts)) THEN
    keys := regroup_members_keys_of_change(p_group_id, p_device_ids);
    FOREACH key IN ARRAY keys LOOP
      PERFORM pg_catalog.pg_advisory_xact_lock_shared(key);
    END LOOP;
    PERFORM set_config('lock_timeout', '100ms', true); -- as in migrate.sql
    PERFORM FROM devices d WHERE d.device_id = ANY (p_device_ids)
    ORDER BY uuid_send(d.device_id) FOR NO KEY UPDATE;
    IF NOT regroup_members_keys_of_change(p_group_id, p_device_ids) <@ keys THEN
      -- A device went to another registration group before its row was locked; a lock more now would be
      -- out of order.
      RAISE EXCEPTION 'a device has moved' USING ERRCODE = 'RG001';
    END IF;
    SELECT g.slug, coalesce(g.max_devices, 2147483647), g.is_active IS TRUE
    INTO slug_of_group, o_limit, is_active
    FROM groups g WHERE g.id = p_group_id FOR NO KEY UPDATE;
    IF NOT FOUND OR (caller_role IS NOT NULL AND NOT is_active) THEN
      outcome := 'not_found';
      RETURN;
    END IF;
    SELECT v.verdicts, v.device_count INTO o_verdicts, o_device_count
    FROM regroup_verdicts_of_change(p_user_id, caller_role, p_group_id, p_action, p_device_ids,
                                    o_limit) v;
  END IF;
  IF NOT p_partial AND 'done' <> ANY (o_verdicts) THEN
    outcome := 'refused';
    RETURN;
  END IF;

  SELECT coalesce(array_agg(asked.device_id), '{}') INTO done
  FROM unnest(p_device_ids, o_verdicts) AS asked(device_id, verdict) WHERE asked.verdict = 'done';
  IF p_action = 'add' THEN
    SELECT coalesce(array_agg(device_id), '{}') INTO not_migrated
    FROM unnest(done) AS device_id WHERE NOT regroup_is_migrated(device_id);
    INSERT INTO device_group_memberships (id, device_id, group_id, added_by)
    SELECT gen_random_uuid(), device_id, p_group_id, p_user_id FROM unnest(done) AS device_id;
    -- One that this group's migration had put here, and that was taken out, is as migrated as before.
    UPDATE devices d SET group_id = slug_of_group, updated_at = now()
    WHERE d.device_id = ANY (not_migrated) AND regroup_is_migrated(d.device_id);
  ELSE
    -- Those that this group's migration had put here: devices.group_id becomes the slug of another
    -- group of theirs, or the registration group that they came from. Not if another program has made it
    -- another string since.
    UPDATE devices d
    SET group_id = coalesce(
          (SELECT g.slug FROM regroup_migrations_of(d.device_id) m JOIN groups g ON g.id = m.group_id
           WHERE m.group_id <> p_group_id LIMIT 1),
          origin.registration_group_id),
        group_joined_at = CASE WHEN origin.group_slug IS NULL THEN now() ELSE d.group_joined_at END,
        updated_at = now()
    FROM (SELECT DISTINCT ON (gone) gone AS device_id, a.registration_group_id, a.group_slug
          FROM migration_audit_logs a
          CROSS JOIN unnest(a.device_ids) AS gone
          WHERE a.authenticated_group_id = p_group_id AND a.status IN ('success', 'partial')
            AND gone = ANY (done)
          ORDER BY gone, a.created_at DESC) origin
    WHERE d.device_id = origin.device_id AND d.group_id IN (slug_of_group, origin.group_slug);
    DELETE FROM device_group_memberships m
    WHERE m.group_id = p_group_id AND m.device_id = ANY (done);
  END IF;
  IF done <> '{}' OR p_idempotency_key IS NOT NULL THEN
    INSERT INTO regroup_device_changes (id, user_id, group_id, action, device_ids, verdicts,
                                        idempotency_key, request_hash)
    VALUES (p_change_id, p_user_id, p_group_id, p_action, p_device_ids, o_verdicts,
            p_idempotency_key, p_request_hash);
    INSERT INTO regroup_operations (id, kind, user_id, group_id, status)
    VALUES (p_change_id, 'device_change', p_user_id, p_group_id, 'completed')
    ON CONFLICT (id) DO NOTHING;
    IF NOT FOUND THEN -- settled as one that never happens (functions/settle.sql)
      RAISE EXCEPTION 'the change has been recorded as failed' USING ERRCODE = 'RG002';
    END IF;
  END IF;
  outcome := 'changed';
  o_changed_at := now();
END
$$;
