-- What an endpoint answered about itself, and events that were given up.

ALTER TABLE regroup_webhook_endpoints
  ADD COLUMN IF NOT EXISTS held_until timestamptz,  -- it asked for a pause (Retry-After)
  ADD COLUMN IF NOT EXISTS disabled_at timestamptz; -- it answered 410

ALTER TABLE regroup_migration_events
  ADD COLUMN IF NOT EXISTS tried_at timestamptz, -- for the first time
  ADD COLUMN IF NOT EXISTS last_error text;

-- The events that are due at an endpoint, oldest first: those never tried, and the others, so that
-- neither kind delays the other. An event that waits for an earlier one of its group is due at
-- 'infinity', and so out of the way.
CREATE INDEX IF NOT EXISTS regroup_migration_events_untried
  ON regroup_migration_events (endpoint_id, due_at, id) WHERE attempts = 0;
CREATE INDEX IF NOT EXISTS regroup_migration_events_tried
  ON regroup_migration_events (endpoint_id, due_at, id) WHERE attempts > 0;

-- Events that were given up: kept until an administrator has them delivered again, or their
-- endpoint is deleted.
CREATE TABLE IF NOT EXISTS regroup_dead_events (
  id bigint PRIMARY KEY,
  endpoint_id uuid NOT NULL,
  type text NOT NULL,
  migration_id uuid NOT NULL,
  registration_group_id varchar(255) NOT NULL,
  created_at timestamptz NOT NULL,
  attempts integer NOT NULL,
  died_at timestamptz NOT NULL DEFAULT now(),
  last_error text
);
CREATE INDEX IF NOT EXISTS regroup_dead_events_of_endpoint ON regroup_dead_events (endpoint_id, id);
