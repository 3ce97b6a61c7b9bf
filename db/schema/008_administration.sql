-- What administrators read: the history.

-- The history, newest first, from any position: both columns, since many rows may have the same
-- time. Of all that follows, only this index and the next cost a migration anything:
-- docs/performance.md.
CREATE INDEX IF NOT EXISTS regroup_history ON migration_audit_logs (created_at, id);

-- One user's history. A user has few rows, so the time alone is order enough.
CREATE INDEX IF NOT EXISTS regroup_history_of_user ON migration_audit_logs (user_id, created_at);

-- Anything but a full success: rare, and not to be searched for among ten million others.
CREATE INDEX IF NOT EXISTS regroup_history_of_status ON migration_audit_logs (status, created_at, id)
  WHERE status <> 'success';

-- One registration group's history: its success and its partial successes have their own indexes
-- (002).
CREATE INDEX IF NOT EXISTS regroup_history_of_group
  ON migration_audit_logs (registration_group_id, created_at)
  WHERE status NOT IN ('success', 'partial');
