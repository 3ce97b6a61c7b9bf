-- Events: what other systems learn of migrations. An outbox, written in the migration's own
-- transaction, so that there is an event exactly when there is a migration.

CREATE TABLE IF NOT EXISTS regroup_webhook_endpoints (
  id uuid PRIMARY KEY,
  url text NOT NULL,
  secret text NOT NULL, -- a signature needs the secret itself, not a hash of it
  is_active boolean NOT NULL DEFAULT true,
  created_at timestamptz NOT NULL DEFAULT now(),
  failures integer NOT NULL DEFAULT 0, -- in a row
  open_until timestamptz,              -- the circuit breaker: no requests before this
  last_success_at timestamptz,
  last_failure_at timestamptz,
  last_error text
);

-- For a migration, which plans without sequential scans.
CREATE INDEX IF NOT EXISTS regroup_webhook_endpoints_active
  ON regroup_webhook_endpoints (id) WHERE is_active;

-- A row for each event and endpoint, until the endpoint has received it. Without endpoints there
-- are no rows, and none is missing: an endpoint gets the events since its creation. No foreign key,
-- because each migration would lock the endpoint's row.
CREATE TABLE IF NOT EXISTS regroup_migration_events (
  id bigserial PRIMARY KEY,
  endpoint_id uuid NOT NULL,
  type text NOT NULL, -- migration.completed, migration.rolled_back
  migration_id uuid NOT NULL,
  registration_group_id varchar(255) NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  attempts integer NOT NULL DEFAULT 0,
  due_at timestamptz NOT NULL DEFAULT now()
);

-- Finds an earlier undelivered event of the same group, and an endpoint's events.
CREATE INDEX IF NOT EXISTS regroup_migration_events_of_group
  ON regroup_migration_events (endpoint_id, registration_group_id, id);
