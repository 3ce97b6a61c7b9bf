-- Adding devices to an authenticated group, and removing them, one by one.

-- The groups of a user.
CREATE INDEX IF NOT EXISTS regroup_memberships_of_user ON group_memberships (user_id);

-- What was changed, and by whom: the audit, and the answer to the same Idempotency-Key. It outlives
-- the rows that it refers to, so it has no foreign keys.
CREATE TABLE IF NOT EXISTS regroup_device_changes (
  id uuid PRIMARY KEY,
  user_id uuid NOT NULL,
  group_id uuid NOT NULL,
  action varchar(10) NOT NULL CHECK (action IN ('add', 'remove')),
  device_ids uuid[] NOT NULL, -- all that were requested, in that order
  verdicts text[] NOT NULL,   -- of each: 'done', or why not
  idempotency_key varchar(255),
  request_hash varchar(64),
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX IF NOT EXISTS regroup_one_change_of_a_key
  ON regroup_device_changes (user_id, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX IF NOT EXISTS regroup_changes_of_group ON regroup_device_changes (group_id, created_at);
