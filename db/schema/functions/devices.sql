-- Registers a device, or updates it when it is known. Called by db/devices.cpp inside a
-- transaction. It waits for a migration of the registration group (up to lock_timeout) instead of
-- slipping a device into it unseen, and never takes a device out of an authenticated group.
CREATE OR REPLACE FUNCTION regroup_register_device_v1(
  p_device_id uuid,
  p_display_name text,
  p_registration_group_id text,
  p_platform text,
  p_fcm_token text, -- NULL: keep what is there
  p_user_id uuid,   -- NULL: link to nobody
  OUT outcome text,
  OUT o_group_id text,
  OUT o_owner uuid
) LANGUAGE plpgsql VOLATILE
AS $$
#variable_conflict use_column
DECLARE
  known devices;
BEGIN
  PERFORM pg_catalog.pg_advisory_xact_lock_shared(regroup_members_key(p_registration_group_id));

  IF p_user_id IS NOT NULL
     AND NOT EXISTS (SELECT FROM users u WHERE u.id = p_user_id AND u.is_active) THEN
    outcome := 'unauthorized';
    RETURN;
  END IF;

  LOOP
    -- The row's lock first, in a statement of its own: what a migration that held it has just
    -- committed is seen by the statements after this one.
    SELECT d.* INTO known FROM devices d WHERE d.device_id = p_device_id FOR UPDATE;
    EXIT WHEN FOUND;

    INSERT INTO devices (device_id, display_name, group_id, platform, fcm_token, owner_user_id,
                         linked_at, last_seen_at)
    VALUES (p_device_id, p_display_name, p_registration_group_id, p_platform, p_fcm_token, p_user_id,
            CASE WHEN p_user_id IS NULL THEN NULL ELSE now() END, now())
    ON CONFLICT (device_id) DO NOTHING;
    IF FOUND THEN
      outcome := 'created';
      o_group_id := p_registration_group_id;
      o_owner := p_user_id;
      RETURN;
    END IF;
    -- Registered by somebody else between the two statements: now it is known.
  END LOOP;

  IF known.owner_user_id <> p_user_id THEN
    outcome := 'already_linked';
    RETURN;
  END IF;

  UPDATE devices d
  SET display_name = p_display_name,
      platform = p_platform,
      fcm_token = coalesce(p_fcm_token, d.fcm_token),
      group_id = CASE WHEN regroup_is_migrated(p_device_id) THEN d.group_id
                      ELSE p_registration_group_id END,
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
