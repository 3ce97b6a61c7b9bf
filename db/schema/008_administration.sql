-- What administrators read: the history.

-- The history, newest first, from any place in it: both columns, since many rows may share a time.
-- Of all that follows this and the next one alone cost a migration anything: docs/performance.md.
CREATE INDEX IF NOT EXISTS regroup_history ON migration_audit_logs (created_at, id);

-- One user's. They have few, so the time is enough of an order.
CREATE INDEX IF NOT EXISTS regroup_history_of_user ON migration_audit_logs (user_id, created_at);

-- Whatever is not a full success: rare, and not to be looked for among ten million others.
CREATE INDEX IF NOT EXISTS regroup_history_of_status ON migration_audit_logs (status, created_at, id)
  WHERE status <> 'success';

-- One registration group's: its success and its partial successes have their indexes (002).
CREATE INDEX IF NOT EXISTS regroup_history_of_group
  ON migration_audit_logs (registration_group_id, created_at)
  WHERE status NOT IN ('success', 'partial');
