-- Migrations that never happened: failed, cancelled, or settled as such. They have no group, so they
-- are not in migration_audit_logs, which other programs read: there authenticated_group_id is NOT
-- NULL, and 'rolled_back' is no status.
ALTER TABLE regroup_operations
  ADD COLUMN IF NOT EXISTS registration_group_id varchar(255), -- of a migration, as the rest
  ADD COLUMN IF NOT EXISTS duration_ms integer,
  ADD COLUMN IF NOT EXISTS trace_id varchar(32),
  ADD COLUMN IF NOT EXISTS received_at timestamptz,
  ADD COLUMN IF NOT EXISTS started_at timestamptz;

-- Their part of the history (008).
CREATE INDEX IF NOT EXISTS regroup_failed_migrations ON regroup_operations (created_at, id)
  WHERE kind = 'migration';
CREATE INDEX IF NOT EXISTS regroup_failed_migrations_of_user ON regroup_operations (user_id, created_at)
  WHERE kind = 'migration';
CREATE INDEX IF NOT EXISTS regroup_failed_migrations_of_group
  ON regroup_operations (registration_group_id, created_at) WHERE kind = 'migration';

-- It changed what other programs wrote: devices.group_id, when they took a device out of a group.
DROP TRIGGER IF EXISTS regroup_membership_ended ON device_group_memberships;
DROP FUNCTION IF EXISTS regroup_membership_ended;

-- What the version before left. Its index regroup_one_use_of_a_key goes with the next step: until
-- regroup_one_migration_of_a_key (002) is built, it is the only one.
WITH failed AS (
  DELETE FROM migration_audit_logs a
  WHERE a.status = 'failed' AND a.error_code IS NOT NULL AND a.user_id IS NOT NULL
  RETURNING a.*
)
INSERT INTO regroup_operations (id, kind, user_id, registration_group_id, status, error_code,
  error_message, duration_ms, trace_id, received_at, started_at, created_at)
SELECT f.id, CASE WHEN f.registration_group_id <> '' THEN 'migration' END, f.user_id,
  nullif(f.registration_group_id, ''), 'failed', f.error_code, f.error_message, f.duration_ms,
  f.trace_id, f.received_at, f.started_at, f.created_at
FROM failed f
ON CONFLICT (id) DO NOTHING;

UPDATE migration_audit_logs a
SET status = 'failed', error_message = 'The migration was undone',
  rolled_back_at = coalesce(a.rolled_back_at, now()),
  undone_group_id = coalesce(a.undone_group_id, a.authenticated_group_id)
WHERE a.status <> 'success' AND a.status::text = 'rolled_back';

-- An undo deactivates the group: running replicas may before deploy/grants.sql is run again.
DO $$
DECLARE
  service regrole;
BEGIN
  FOR service IN
    SELECT DISTINCT r.grantee::regrole FROM pg_class c, aclexplode(c.relacl) r
    WHERE c.oid = 'regroup_running'::regclass AND r.privilege_type = 'INSERT'
      AND r.grantee NOT IN (0, c.relowner)
  LOOP
    EXECUTE format('GRANT UPDATE (is_active, slug, updated_at) ON groups TO %s', service);
    EXECUTE format('GRANT UPDATE (error_message) ON migration_audit_logs TO %s', service);
  END LOOP;
END
$$;
