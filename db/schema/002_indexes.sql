-- A migration finds its devices by this one.
CREATE INDEX IF NOT EXISTS regroup_devices_in_group ON devices (group_id) WHERE active;
-- "Which device is mine?"
CREATE INDEX IF NOT EXISTS regroup_devices_of_owner ON devices (owner_user_id)
  WHERE owner_user_id IS NOT NULL;
-- The devices of a group, and the cascade when a group goes. Of the group alone: with the device's id
-- in it, it would look to the planner, while the table is small, as good for finding a device's
-- memberships as the unique index on (device_id, group_id) is.
CREATE INDEX IF NOT EXISTS regroup_memberships_in_group ON device_group_memberships (group_id);

-- Guarantee 6: a second success of a full migration is impossible, whoever writes it.
CREATE UNIQUE INDEX IF NOT EXISTS regroup_one_success ON migration_audit_logs (registration_group_id)
  WHERE status = 'success';
-- A registration group that was migrated in parts.
CREATE INDEX IF NOT EXISTS regroup_partial_successes ON migration_audit_logs (registration_group_id)
  WHERE status = 'partial';
-- Only an outcome of 201 uses up an Idempotency-Key, and an undo does not give it back: a late retry
-- of the migration must not do again what its owner has undone.
CREATE UNIQUE INDEX IF NOT EXISTS regroup_one_use_of_a_key
  ON migration_audit_logs (user_id, idempotency_key)
  WHERE idempotency_key IS NOT NULL AND status IN ('success', 'partial', 'rolled_back');
-- Whether a device's membership was made by a migration.
CREATE INDEX IF NOT EXISTS regroup_migration_of_group ON migration_audit_logs (authenticated_group_id)
  WHERE status IN ('success', 'partial');
