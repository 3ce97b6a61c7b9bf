-- What the role of database.url needs, and no more, by table and column. The owner of the tables
-- runs it in the database after `regroup schema apply`, for a new version as well. The role is
-- called regroup; docs/operations.md says when. `regroup doctor` compares this file with the
-- database.
GRANT SELECT (id, display_name, is_active) ON users TO regroup;
-- INSERT and UPDATE are for /api/admin/v1/api-keys; without these two only that route fails.
GRANT SELECT (id, key_hash, key_prefix, name, is_active, is_admin, last_used_at, created_at,
    expires_at),
  INSERT (key_hash, key_prefix, name, is_admin, expires_at),
  UPDATE (is_active) ON api_keys TO regroup;
GRANT SELECT,
  INSERT (device_id, display_name, group_id, platform, fcm_token, owner_user_id, linked_at,
    last_seen_at, group_joined_at),
  UPDATE (display_name, group_id, platform, fcm_token, active, owner_user_id, linked_at,
    last_seen_at, updated_at, group_joined_at)
  ON devices TO regroup;
GRANT SELECT (id, name, slug, max_devices, is_active, created_at, xmin),
  INSERT (id, name, slug, max_devices, created_by),
  UPDATE (max_devices, updated_at),
  DELETE ON groups TO regroup;
GRANT SELECT (id, group_id, user_id, role, invited_by, joined_at, xmin),
  INSERT (id, group_id, user_id, role),
  DELETE ON group_memberships TO regroup;
GRANT SELECT (id, device_id, group_id, added_by, added_at, xmin),
  INSERT (id, device_id, group_id, added_by),
  DELETE ON device_group_memberships TO regroup;
GRANT SELECT, INSERT,
  UPDATE (status, authenticated_group_id, undone_group_id, rollback_id, rolled_back_at,
    rolled_back_by, rollback_key, rollback_trace_id)
  ON migration_audit_logs TO regroup;
GRANT SELECT ON regroup_schema TO regroup;
GRANT SELECT, INSERT ON regroup_device_changes, regroup_operations TO regroup;
GRANT SELECT, INSERT, UPDATE, DELETE
  ON regroup_running, regroup_webhook_endpoints, regroup_migration_events, regroup_dead_events
  TO regroup;

-- Sequences, found by the columns that they fill, and the functions that Regroup calls, which run
-- with their caller's rights.
DO $$
DECLARE
  granted text;
BEGIN
  FOR granted IN
    SELECT format('USAGE ON SEQUENCE %s', pg_get_serial_sequence(filled, 'id'))
    FROM unnest('{devices,api_keys,regroup_migration_events}'::text[]) AS filled
    WHERE pg_get_serial_sequence(filled, 'id') IS NOT NULL
    UNION ALL
    SELECT format('EXECUTE ON FUNCTION %s', p.oid::regprocedure)
    FROM pg_proc p JOIN pg_class c ON c.oid = 'regroup_running'::regclass
      AND p.pronamespace = c.relnamespace
    WHERE p.proname LIKE 'regroup\_%' AND p.prorettype <> 'trigger'::regtype
  LOOP
    EXECUTE format('GRANT %s TO regroup', granted);
  END LOOP;
END
$$;
