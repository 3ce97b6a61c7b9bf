-- The advisory lock of a registration group (contract, guarantee 3): the first 8 bytes, big-endian,
-- signed, of SHA-256 of 'regroup:migrate:v1:' and the id in UTF-8. Public: other programs on this
-- database may take the same lock. 64 bits, since `hashtext` gives 32, and ids really collide
-- there.
-- Test vector: regroup_lock_key('camping-2025') = -5918583588527051083.
-- In plpgsql, which keeps its plan: convert_to() is not immutable, so a SQL function would not be
-- inlined, but parsed and planned in each query.
CREATE OR REPLACE FUNCTION regroup_lock_key(registration_group_id text) RETURNS bigint
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
BEGIN
  RETURN ('x' || encode(substr(sha256(convert_to('regroup:migrate:v1:' || $1, 'UTF8')), 1, 8), 'hex'))
         ::bit(64)::bigint;
END
$$;

-- A second lock guards who is in a registration group: a session that puts a device into the group
-- holds it shared, a migration exclusively. It is a different lock because a migration only tries
-- the first one: a phone that registers would make it answer "in progress" when no migration is
-- running.
CREATE OR REPLACE FUNCTION regroup_members_key(registration_group_id text) RETURNS bigint
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
BEGIN
  RETURN ~regroup_lock_key($1);
END
$$;

-- A device with a membership that a migration made is no longer in a registration group, whatever
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
    OFFSET 0)
$$;
