-- A migration finds its devices by this index.
CREATE INDEX IF NOT EXISTS regroup_devices_in_group ON devices (group_id) WHERE active;
-- "Which device is mine?"
CREATE INDEX IF NOT EXISTS regroup_devices_of_owner ON devices (owner_user_id)
  WHERE owner_user_id IS NOT NULL;
-- The devices of a group, and the cascade when a group is deleted. On the group alone: with the
-- device's id in it, the planner would take it, while the table is small, to be as good for finding
-- a device's memberships as the unique index on (device_id, group_id).
CREATE INDEX IF NOT EXISTS regroup_memberships_in_group ON device_group_memberships (group_id);

-- Guarantee 6: a second success of a full migration is impossible, no matter who writes it.
CREATE UNIQUE INDEX IF NOT EXISTS regroup_one_success ON migration_audit_logs (registration_group_id)
  WHERE status = 'success';
-- A registration group that was migrated in parts.
CREATE INDEX IF NOT EXISTS regroup_partial_successes ON migration_audit_logs (registration_group_id)
  WHERE status = 'partial';
-- Only a 201 uses up an Idempotency-Key, and an undo does not free it: a late retry of the
-- migration must not redo what its owner has undone.
CREATE UNIQUE INDEX IF NOT EXISTS regroup_one_migration_of_a_key
  ON migration_audit_logs (user_id, idempotency_key) WHERE idempotency_key IS NOT NULL;
-- Whether a device's membership was made by a migration.
CREATE INDEX IF NOT EXISTS regroup_migration_of_group ON migration_audit_logs (authenticated_group_id)
  WHERE status IN ('success', 'partial');
