-- What regroup_migrate_v3 would answer at this moment, without a lock and without a write: a dry
-- run must not wait for anything, and nothing must wait for a dry run. Called by db/plan.cpp.
-- STABLE: it reads everything at one moment. The checks are the migration's, in its order;
-- tests/db/plan_test.cpp keeps the two in agreement. It does not look at an Idempotency-Key. Before
-- a migration a caller sees only the ids of their own devices: the others are counted.
CREATE OR REPLACE FUNCTION regroup_plan_v2(
  p_user_id uuid,
  p_registration_group_id text,
  p_slug text,
  p_device_ids uuid[], -- NULL: all of them
  p_max_devices bigint,
  p_require_owner text,
  p_into_group_id uuid, -- NULL: into a new one
  p_link_age_ms bigint,
  OUT outcome text, -- 'ready', or as for a migration
  OUT o_migration_id uuid,
  OUT o_group_id uuid,
  OUT o_name text, -- of the existing group; a new one's name the caller knows. Which name is taken
  OUT o_slug text,
  OUT o_to_migrate bigint, -- NULL if it is none of the caller's business
  OUT o_device_ids uuid[], -- the caller's own among those
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
  behind record; -- the living group whose slug the string is
  members uuid[]; -- of the registration group, in order
  chosen uuid[]; -- of them, for this migration
  owned_of_all bigint; -- the caller's, with a vote or without
  role_there group_role;
  count_there bigint;
BEGIN
  IF NOT EXISTS (SELECT FROM users u WHERE u.id = p_user_id AND u.is_active) THEN
    outcome := 'unauthorized';
    RETURN;
  END IF;

  SELECT a.* INTO earlier
  FROM migration_audit_logs a JOIN groups g ON g.id = a.authenticated_group_id AND g.is_active
  WHERE a.registration_group_id = p_registration_group_id AND a.status = 'success'
  LIMIT 1;
  SELECT b.group_id, b.migration_id INTO behind
  FROM regroup_group_of_string(p_registration_group_id) b;
  IF earlier.id IS NULL AND behind.migration_id IS NOT NULL THEN
    SELECT a.* INTO earlier FROM migration_audit_logs a WHERE a.id = behind.migration_id;
    earlier.status := 'success';
  END IF;
  IF earlier.id IS NULL THEN
    SELECT coalesce(array_agg(d.device_id), '{}'),
      coalesce(array_agg(d.device_id ORDER BY d.device_id) FILTER (
        WHERE d.owner_user_id = p_user_id
          AND (p_device_ids IS NULL OR d.device_id = ANY (p_device_ids))), '{}')
    INTO members, o_device_ids
    FROM regroup_devices_in(p_registration_group_id) d;
    SELECT coalesce(array_agg(id), '{}'), count(*) INTO chosen, o_device_count
    FROM unnest(members) id WHERE p_device_ids IS NULL OR id = ANY (p_device_ids);
    SELECT v.owned, v.votes, v.owned_votes INTO owned_of_all, o_linked, o_owned
    FROM regroup_votes(p_registration_group_id, p_user_id,
                       CASE WHEN p_require_owner = 'any' THEN 0 ELSE p_link_age_ms END) v;
    IF o_device_count = 0 THEN
      SELECT a.* INTO earlier
      FROM migration_audit_logs a JOIN groups g ON g.id = a.authenticated_group_id AND g.is_active
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
       OR earlier.user_id = p_user_id THEN
      o_migration_id := earlier.id;
      o_group_id := earlier.authenticated_group_id;
    ELSIF EXISTS (SELECT FROM devices d
                  WHERE d.device_id = ANY (earlier.device_ids) AND d.owner_user_id = p_user_id) THEN
      o_migration_id := earlier.id;
      o_group_id := earlier.authenticated_group_id;
      SELECT g.name INTO o_name FROM groups g WHERE g.id = earlier.authenticated_group_id;
    END IF;
  ELSIF outcome IS NULL THEN
    outcome := CASE
      WHEN owned_of_all = 0 THEN 'not_device_owner'
      WHEN (p_require_owner = 'majority' AND 2 * o_owned <= o_linked)
        OR (p_require_owner = 'all_linked' AND (o_owned < o_linked OR o_owned = 0))
        THEN 'not_owner_of_enough'
      WHEN o_device_count > p_max_devices THEN 'too_many_devices'
      WHEN behind.group_id IS NOT NULL
        OR (p_into_group_id IS NULL AND regroup_free_slug(p_slug, p_registration_group_id) IS NULL) THEN 'group_name_exists'
      ELSE 'ready' END;
    IF behind.group_id IS NOT NULL AND outcome = 'group_name_exists' THEN
      o_name := p_registration_group_id;
    ELSIF p_into_group_id IS NULL THEN
      o_slug := regroup_free_slug(p_slug, p_registration_group_id);
    END IF;
    IF outcome = 'ready' AND p_into_group_id IS NOT NULL THEN
      SELECT m.role INTO role_there FROM group_memberships m
      WHERE m.group_id = p_into_group_id AND m.user_id = p_user_id;
      SELECT count(*) INTO count_there FROM regroup_devices_of_group(p_into_group_id) m
      WHERE m.device_id <> ALL (chosen);
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
    o_to_migrate := cardinality(chosen);
    o_remaining := cardinality(members) - cardinality(chosen);
    SELECT coalesce(array_agg(DISTINCT id ORDER BY id), '{}') INTO o_ignored
    FROM unnest(p_device_ids) id WHERE id <> ALL (chosen);
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

-- For replicas of an earlier version, like regroup_migrate_v1: they show what they receive.
CREATE OR REPLACE FUNCTION regroup_plan_v1(
  p_user_id uuid, p_registration_group_id text, p_slug text, p_device_ids uuid[],
  p_max_devices bigint, p_require_owner text, p_into_group_id uuid,
  OUT outcome text, OUT o_migration_id uuid, OUT o_group_id uuid, OUT o_name text, OUT o_slug text,
  OUT o_device_ids uuid[], OUT o_remaining bigint, OUT o_ignored uuid[], OUT o_device_count bigint,
  OUT o_linked bigint, OUT o_owned bigint)
LANGUAGE sql STABLE
AS $$
  SELECT p.outcome, p.o_migration_id, p.o_group_id, p.o_name, p.o_slug, p.o_device_ids,
    p.o_remaining, p.o_ignored, p.o_device_count, p.o_linked, p.o_owned
  FROM regroup_plan_v2(p_user_id, p_registration_group_id, p_slug, p_device_ids, p_max_devices,
                       p_require_owner, p_into_group_id, 0) p
$$;
