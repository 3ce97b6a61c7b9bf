-- What belongs to a group's life besides its migration: the undo, the dry run, and the progress of
-- a migration that takes long.

ALTER TABLE migration_audit_logs
  ADD COLUMN IF NOT EXISTS rollback_id uuid, -- chosen before the undo began, to look it up by
  ADD COLUMN IF NOT EXISTS undone_group_id uuid, -- authenticated_group_id, once it was undone
  ADD COLUMN IF NOT EXISTS rolled_back_at timestamptz,
  ADD COLUMN IF NOT EXISTS rolled_back_by uuid,
  ADD COLUMN IF NOT EXISTS rollback_key varchar(255), -- the undo's Idempotency-Key
  ADD COLUMN IF NOT EXISTS rollback_trace_id varchar(32), -- of the undo's request; trace_id is the
                                                          -- migration's
  ADD COLUMN IF NOT EXISTS excluded_device_ids uuid[]; -- what a partial migration left behind

-- The outcome for a group whose migration was undone.
CREATE INDEX IF NOT EXISTS regroup_undone_group ON migration_audit_logs (undone_group_id)
  WHERE undone_group_id IS NOT NULL;
CREATE UNIQUE INDEX IF NOT EXISTS regroup_one_undo_of_a_key
  ON migration_audit_logs (rolled_back_by, rollback_key) WHERE rollback_key IS NOT NULL;

-- The migrations that are running. No one sees what a migration writes before its COMMIT, so its
-- replica writes here, in separate transactions, that it is running and how far it has come.
-- Status, the live page and the cancel read it on every replica. Only migrations that take long are
-- here (015); quick ones pay nothing.
CREATE TABLE IF NOT EXISTS regroup_running (
  migration_id uuid PRIMARY KEY,
  user_id uuid NOT NULL,
  registration_group_id varchar(255) NOT NULL,
  devices_total bigint NOT NULL,
  devices_processed bigint NOT NULL DEFAULT 0,
  received_at timestamptz NOT NULL DEFAULT now(), -- the request
  trace_id varchar(32), -- of the request's traceparent
  told_at timestamptz NOT NULL DEFAULT now() -- when its replica last reported
);
