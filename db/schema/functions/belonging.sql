-- Which group a device is in, and which registration group. Read from what is recorded: other programs
-- write the same tables, and nothing is written on their behalf.
--
-- A migration of Regroup's has a membership for each device: one that is taken out of the group, by any
-- program, is in its registration group again. A migration that another program recorded may have
-- none (its audit row has no group_slug): its devices are in the group while devices.group_id is the
-- group's slug, unless Regroup has taken them out since (group_joined_at). A group that is not active
-- is no group: its devices are in their registration group again.

-- A device that a migration put into a living group is no longer in a registration group, whatever
-- string its group_id holds: a slug may equal the registration group's id.
CREATE OR REPLACE FUNCTION regroup_is_migrated(device uuid) RETURNS boolean
LANGUAGE sql STABLE STRICT
AS $$
  SELECT EXISTS (
    SELECT FROM device_group_memberships m
    WHERE m.device_id = device
      AND EXISTS (
        SELECT FROM migration_audit_logs a
        WHERE a.authenticated_group_id = m.group_id AND a.status IN ('success', 'partial')
          AND device = ANY (a.device_ids)
        OFFSET 0)
      AND EXISTS (SELECT FROM groups g WHERE g.id = m.group_id AND g.is_active OFFSET 0)
    OFFSET 0)
  OR EXISTS (
    SELECT FROM devices d JOIN groups g ON g.slug = d.group_id AND g.is_active
    WHERE d.device_id = device
      AND EXISTS (
        SELECT FROM migration_audit_logs a
        WHERE a.authenticated_group_id = g.id AND a.status IN ('success', 'partial')
          AND a.group_slug IS NULL AND device = ANY (a.device_ids)
          AND (d.group_joined_at > a.created_at) IS NOT TRUE
        OFFSET 0)
    OFFSET 0)
$$;

-- The migrations that put a device into a living group in which it still is.
CREATE OR REPLACE FUNCTION regroup_migrations_of(p_device_id uuid)
RETURNS TABLE (migration_id uuid, group_id uuid)
LANGUAGE sql STABLE
AS $$
  SELECT a.id, g.id
  FROM device_group_memberships m
  JOIN groups g ON g.id = m.group_id AND g.is_active
  JOIN migration_audit_logs a
    ON a.authenticated_group_id = g.id AND a.status IN ('success', 'partial')
  WHERE m.device_id = p_device_id AND p_device_id = ANY (a.device_ids)
  UNION ALL
  SELECT a.id, g.id
  FROM devices d
  JOIN groups g ON g.slug = d.group_id AND g.is_active
  JOIN migration_audit_logs a
    ON a.authenticated_group_id = g.id AND a.status IN ('success', 'partial')
      AND a.group_slug IS NULL AND (d.group_joined_at > a.created_at) IS NOT TRUE
  WHERE d.device_id = p_device_id AND p_device_id = ANY (a.device_ids)
    AND NOT EXISTS (SELECT FROM device_group_memberships m
                    WHERE m.device_id = p_device_id AND m.group_id = g.id)
$$;

-- The devices of an authenticated group.
CREATE OR REPLACE FUNCTION regroup_devices_of_group(p_group_id uuid)
RETURNS TABLE (device_id uuid, added_by uuid, added_at timestamptz)
LANGUAGE sql STABLE
AS $$
  SELECT m.device_id, m.added_by, m.added_at::timestamptz
  FROM device_group_memberships m WHERE m.group_id = p_group_id
  UNION ALL
  SELECT d.device_id, a.user_id, a.created_at::timestamptz
  FROM groups g
  JOIN migration_audit_logs a
    ON a.authenticated_group_id = g.id AND a.status IN ('success', 'partial')
      AND a.group_slug IS NULL
  JOIN devices d
    ON d.device_id = ANY (a.device_ids) AND d.group_id = g.slug
      AND (d.group_joined_at > a.created_at) IS NOT TRUE
  WHERE g.id = p_group_id
    AND NOT EXISTS (SELECT FROM device_group_memberships m
                    WHERE m.device_id = d.device_id AND m.group_id = g.id)
$$;

-- The living authenticated groups of a device.
CREATE OR REPLACE FUNCTION regroup_groups_of_device(p_device_id uuid)
RETURNS TABLE (group_id uuid, added_by uuid, added_at timestamptz)
LANGUAGE sql STABLE
AS $$
  SELECT m.group_id, m.added_by, m.added_at::timestamptz
  FROM device_group_memberships m JOIN groups g ON g.id = m.group_id AND g.is_active
  WHERE m.device_id = p_device_id
  UNION ALL
  SELECT g.id, a.user_id, a.created_at::timestamptz
  FROM devices d
  JOIN groups g ON g.slug = d.group_id AND g.is_active
  JOIN migration_audit_logs a
    ON a.authenticated_group_id = g.id AND a.status IN ('success', 'partial')
      AND a.group_slug IS NULL AND (d.group_joined_at > a.created_at) IS NOT TRUE
  WHERE d.device_id = p_device_id AND p_device_id = ANY (a.device_ids)
    AND NOT EXISTS (SELECT FROM device_group_memberships m
                    WHERE m.device_id = p_device_id AND m.group_id = g.id)
$$;

-- The devices that came from a registration group by its migrations, and are in it again though
-- devices.group_id is still the slug: a program took them out of the group that a partial migration
-- made, or deleted the group.
CREATE OR REPLACE FUNCTION regroup_returned_devices(p_string text) RETURNS SETOF devices
LANGUAGE sql STABLE
AS $$
  SELECT d.*
  FROM migration_audit_logs a
  LEFT JOIN groups g ON g.id = a.authenticated_group_id
  JOIN devices d
    ON d.device_id = ANY (a.device_ids) AND d.group_id IN (a.group_slug, g.slug) AND d.active
      AND d.group_id <> p_string AND (d.group_joined_at > a.created_at) IS NOT TRUE
  WHERE ((a.registration_group_id = p_string AND a.status = 'success')
      OR (a.registration_group_id = p_string AND a.status = 'partial'))
    AND CASE WHEN g.is_active THEN a.status = 'partial' AND a.group_slug IS NOT NULL
             ELSE NOT EXISTS (SELECT FROM groups o WHERE o.slug = d.group_id AND o.is_active) END
    AND NOT regroup_is_migrated(d.device_id)
$$;

-- The active devices of a registration group. The string of a living group is none: look at
-- regroup_group_of_string first.
CREATE OR REPLACE FUNCTION regroup_devices_in(p_string text) RETURNS SETOF devices
LANGUAGE sql STABLE
AS $$
  SELECT d.*
  FROM devices d
  WHERE d.group_id = p_string AND d.active
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
  UNION ALL
  SELECT r.* FROM regroup_returned_devices(p_string) r
$$;

-- The registration group of a device that is in no living group by a migration: the string that
-- devices.group_id is, or, if that is the slug of a group that a migration made, the one that it came
-- from.
CREATE OR REPLACE FUNCTION regroup_string_of(p_device_id uuid) RETURNS text
LANGUAGE sql STABLE
AS $$
  SELECT coalesce((
    SELECT a.registration_group_id
    FROM groups g JOIN migration_audit_logs a
      ON a.authenticated_group_id = g.id AND a.status IN ('success', 'partial')
    WHERE g.slug = d.group_id AND p_device_id = ANY (a.device_ids)
      AND (d.group_joined_at > a.created_at) IS NOT TRUE
    ORDER BY a.created_at DESC LIMIT 1), d.group_id)
  FROM devices d WHERE d.device_id = p_device_id
$$;

-- The living group whose slug a string is, and the migration that made it, if one did. No row if the
-- string is a registration group: also if the group was migrated from just this string, in part, so
-- that the rest is still there.
CREATE OR REPLACE FUNCTION regroup_group_of_string(p_string text)
RETURNS TABLE (group_id uuid, migration_id uuid)
LANGUAGE sql STABLE
AS $$
  SELECT g.id, (SELECT a.id FROM migration_audit_logs a
                WHERE a.authenticated_group_id = g.id AND a.status IN ('success', 'partial')
                ORDER BY a.created_at LIMIT 1)
  FROM groups g
  WHERE g.slug = p_string AND g.is_active
    AND NOT EXISTS (SELECT FROM migration_audit_logs a
                    WHERE a.authenticated_group_id = g.id AND a.status = 'partial'
                      AND a.registration_group_id = p_string)
$$;

-- The slug for a new group of a registration group's devices: `wanted`, or with a number behind it if
-- only groups that are not active have it: chen-family-1. As wide as devices.group_id and groups.slug
-- take. NULL: an active group has it, or it is another registration group's string, which could then
-- not be migrated any more.
CREATE OR REPLACE FUNCTION regroup_free_slug(p_wanted text, p_string text) RETURNS text
LANGUAGE plpgsql STABLE
AS $$
DECLARE
  width int;
  free_slug text := p_wanted;
BEGIN
  IF EXISTS (SELECT FROM groups g WHERE g.slug = p_wanted AND g.is_active)
     OR (p_wanted <> p_string AND EXISTS (
           SELECT FROM devices d
           WHERE d.group_id = p_wanted AND d.active AND NOT EXISTS (
             SELECT FROM regroup_returned_devices(p_string) r WHERE r.device_id = d.device_id))) THEN
    RETURN NULL;
  END IF;
  FOR number IN 1 .. 1000 LOOP
    EXIT WHEN NOT EXISTS (SELECT FROM groups g WHERE g.slug = free_slug)
      AND (number = 1 OR NOT EXISTS (
             SELECT FROM devices d WHERE d.group_id = free_slug AND d.active));
    width := coalesce(width, (
      SELECT min(a.atttypmod - 4) FROM pg_catalog.pg_attribute a
      WHERE a.atttypmod > 0 AND (a.attrelid, a.attname) IN (
        ('devices'::regclass, 'group_id'), ('groups'::regclass, 'slug'))), 120);
    free_slug := rtrim(left(p_wanted, width - 1 - length(number::text)), '-') || '-' || number;
  END LOOP;
  RETURN free_slug;
END
$$;
