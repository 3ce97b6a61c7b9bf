-- Devices that are put into an authenticated group, or taken out of it, one by one.

-- The groups of a user.
CREATE INDEX IF NOT EXISTS regroup_memberships_of_user ON group_memberships (user_id);

-- What was changed, by whom: the audit, and what the same Idempotency-Key is answered with. It has no
-- foreign keys, as it outlives what it tells of.
CREATE TABLE IF NOT EXISTS regroup_device_changes (
  id uuid PRIMARY KEY,
  user_id uuid NOT NULL,
  group_id uuid NOT NULL,
  action varchar(10) NOT NULL CHECK (action IN ('add', 'remove')),
  device_ids uuid[] NOT NULL, -- all that were asked for, in that order
  verdicts text[] NOT NULL,   -- of each: 'done', or why not
  idempotency_key varchar(255),
  request_hash varchar(64),
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX IF NOT EXISTS regroup_one_change_of_a_key
  ON regroup_device_changes (user_id, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX IF NOT EXISTS regroup_changes_of_group ON regroup_device_changes (group_id, created_at);
