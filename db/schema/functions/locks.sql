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

-- Guards a migration's id: a migration takes it before it writes its record and looks whether the id
-- was settled as failed, and a settlement (settle.sql) before it looks for that record. The two are in
-- different tables, so no unique index makes them wait for each other.
CREATE OR REPLACE FUNCTION regroup_id_key(id uuid) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$
  SELECT pg_catalog.uuid_hash_extended($1, 0)
$$;
