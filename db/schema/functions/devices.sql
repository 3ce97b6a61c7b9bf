-- The active groups that a string in devices.group_id stands for: the one that it was fully
-- migrated into, and the one whose slug it is. With the migration that made the group, if one did.
CREATE OR REPLACE FUNCTION regroup_group_behind(p_string text)
RETURNS TABLE (group_id uuid, migration_id uuid)
LANGUAGE sql STABLE
AS $$
  SELECT g.id, a.id
  FROM migration_audit_logs a JOIN groups g ON g.id = a.authenticated_group_id AND g.is_active
  WHERE a.registration_group_id = p_string AND a.status = 'success'
  UNION ALL
  SELECT g.id, (SELECT a.id FROM migration_audit_logs a
                WHERE a.authenticated_group_id = g.id AND a.status IN ('success', 'partial')
                ORDER BY a.created_at LIMIT 1)
  FROM groups g WHERE g.slug = p_string AND g.is_active
$$;

-- Registers a device, or updates a known one. db/devices.cpp calls it inside a transaction, which
-- commits 'created', 'updated' and 'device_linked'. It waits for a migration of the registration
-- group (up to lock_timeout) instead of slipping a device into it unseen, and never takes a device
-- out of an authenticated group.
--
-- Without a user the caller has an API key, which many phones share: it may not change a device
-- that belongs to a user, except for last_seen_at ('device_linked').
--
-- Programs that read devices.group_id take a string that was fully migrated, and the slug of a
-- group, for that group: only the group's own devices can still register there. Devices that were
-- there before stay there.
CREATE OR REPLACE FUNCTION regroup_register_device_v2(
  p_device_id uuid,
  p_display_name text,
  p_registration_group_id text,
  p_platform text,
  p_fcm_token text, -- NULL: keep what is there
  p_user_id uuid,   -- NULL: the caller has a key, and the device is not linked
  OUT outcome text,
  OUT o_group_id text, -- the string that the device is in
  OUT o_owner uuid,
  -- With 'already_migrated', for users whom it concerns:
  OUT o_migration_id uuid,
  OUT o_authenticated_group_id uuid,
  OUT o_name text
) LANGUAGE plpgsql VOLATILE
AS $$
#variable_conflict use_column
DECLARE
  known record;
  locked_version xid;
  stays boolean := false; -- where it is: it is in an authenticated group
  closed record;
BEGIN
  PERFORM pg_catalog.pg_advisory_xact_lock_shared(regroup_members_key(p_registration_group_id));

  IF p_user_id IS NOT NULL
     AND NOT EXISTS (SELECT FROM users u WHERE u.id = p_user_id AND u.is_active) THEN
    outcome := 'unauthorized';
    RETURN;
  END IF;

  LOOP
    SELECT d.*, d.xmin AS regroup_version INTO known FROM devices d WHERE d.device_id = p_device_id;
    IF FOUND THEN
      IF known.owner_user_id IS NOT NULL AND p_user_id IS NULL THEN
        UPDATE devices d SET last_seen_at = now() WHERE d.device_id = p_device_id;
        outcome := 'device_linked';
        RETURN;
      END IF;
      IF known.owner_user_id <> p_user_id THEN
        outcome := 'already_linked';
        RETURN;
      END IF;
      stays := known.group_id = p_registration_group_id OR regroup_is_migrated(p_device_id);
    END IF;

    IF NOT stays THEN
      SELECT c.group_id, c.migration_id INTO closed
      FROM regroup_group_behind(p_registration_group_id) c
      WHERE NOT EXISTS (SELECT FROM device_group_memberships m
                        WHERE m.device_id = p_device_id AND m.group_id = c.group_id)
      LIMIT 1;
      IF FOUND THEN
        outcome := CASE WHEN closed.migration_id IS NULL THEN 'group_name_exists'
                        ELSE 'already_migrated' END;
        IF EXISTS (SELECT FROM group_memberships m
                   WHERE m.group_id = closed.group_id AND m.user_id = p_user_id) THEN
          o_migration_id := closed.migration_id;
          o_authenticated_group_id := closed.group_id;
        ELSIF EXISTS (SELECT FROM migration_audit_logs a
                      JOIN devices d ON d.device_id = ANY (a.device_ids)
                      WHERE a.id = closed.migration_id AND d.owner_user_id = p_user_id) THEN
          o_migration_id := closed.migration_id;
          o_authenticated_group_id := closed.group_id;
          SELECT g.name INTO o_name FROM groups g WHERE g.id = closed.group_id;
        END IF;
        RETURN;
      END IF;
    END IF;
    -- The row's lock, once nothing refuses it, in a statement of its own: what a migration that held it
    -- has just committed is another version of the row, and looked at anew.
    IF known.id IS NOT NULL THEN
      SELECT d.xmin INTO locked_version FROM devices d WHERE d.device_id = p_device_id FOR UPDATE;
      EXIT WHEN locked_version = known.regroup_version;
      CONTINUE;
    END IF;

    INSERT INTO devices (device_id, display_name, group_id, platform, fcm_token, owner_user_id,
                         linked_at, last_seen_at, group_joined_at)
    VALUES (p_device_id, p_display_name, p_registration_group_id, p_platform, p_fcm_token, p_user_id,
            CASE WHEN p_user_id IS NULL THEN NULL ELSE now() END, now(), now())
    ON CONFLICT (device_id) DO NOTHING;
    IF FOUND THEN
      outcome := 'created';
      o_group_id := p_registration_group_id;
      o_owner := p_user_id;
      RETURN;
    END IF;
    -- Registered by somebody else between the two statements: now it is known.
  END LOOP;

  UPDATE devices d
  SET display_name = p_display_name,
      platform = p_platform,
      fcm_token = coalesce(p_fcm_token, d.fcm_token),
      group_id = CASE WHEN stays THEN d.group_id ELSE p_registration_group_id END,
      group_joined_at = CASE WHEN stays THEN d.group_joined_at ELSE now() END,
      active = true,
      owner_user_id = coalesce(d.owner_user_id, p_user_id),
      linked_at = CASE WHEN d.owner_user_id IS NULL AND p_user_id IS NOT NULL THEN now()
                       ELSE d.linked_at END,
      last_seen_at = now(),
      updated_at = now()
  WHERE d.device_id = p_device_id
  RETURNING d.group_id, d.owner_user_id INTO o_group_id, o_owner;
  outcome := 'updated';
END
$$;

-- What was written of the device, for the answer. The statement that registers it does not see its own
-- rows; a VOLATILE function that runs after it does.
CREATE OR REPLACE FUNCTION regroup_registered_device(
  p_device_id uuid, p_outcome text,
  OUT o_is_primary boolean, OUT o_linked_at text, OUT o_created_at text, OUT o_updated_at text)
LANGUAGE sql VOLATILE
AS $$
  SELECT coalesce(d.is_primary, false), to_char(d.linked_at AT TIME ZONE 'UTC', form),
         to_char(d.created_at::timestamptz AT TIME ZONE 'UTC', form),
         to_char(d.updated_at::timestamptz AT TIME ZONE 'UTC', form)
  FROM devices d, (SELECT 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS text (form)
  WHERE d.device_id = p_device_id AND p_outcome IN ('created', 'updated')
$$;

-- For replicas of an earlier version, which know only these outcomes.
CREATE OR REPLACE FUNCTION regroup_register_device_v1(
  p_device_id uuid, p_display_name text, p_registration_group_id text, p_platform text,
  p_fcm_token text, p_user_id uuid, OUT outcome text, OUT o_group_id text, OUT o_owner uuid)
LANGUAGE sql VOLATILE
AS $$
  SELECT CASE WHEN r.outcome IN ('created', 'updated', 'unauthorized') THEN r.outcome
              ELSE 'already_linked' END, r.o_group_id, r.o_owner
  FROM regroup_register_device_v2(p_device_id, p_display_name, p_registration_group_id, p_platform,
                                  p_fcm_token, p_user_id) r
$$;
