-- What an installation was made of before steps 001 to 009 gave every table of Regroup's own the prefix
-- regroup_: the tables, indexes and smaller functions as they were. Tests carry it over.

CREATE TABLE regroup_schema (step integer PRIMARY KEY, name text NOT NULL,
  checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now());

CREATE TYPE group_role AS ENUM ('owner', 'admin', 'member', 'viewer');
CREATE TYPE migration_status AS ENUM ('success', 'failed', 'partial', 'rolled_back');
CREATE TABLE users (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  email varchar(255) UNIQUE,
  display_name varchar(100),
  is_active boolean NOT NULL DEFAULT true,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE devices (
  id bigserial PRIMARY KEY,
  device_id uuid NOT NULL UNIQUE,
  display_name varchar(50) NOT NULL,
  group_id varchar(255) NOT NULL,
  platform varchar(20) NOT NULL,
  fcm_token text,
  active boolean NOT NULL DEFAULT true,
  owner_user_id uuid REFERENCES users (id) ON DELETE SET NULL,
  is_primary boolean NOT NULL DEFAULT false,
  linked_at timestamptz,
  last_seen_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE groups (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  name varchar(100) NOT NULL,
  slug varchar(120) NOT NULL UNIQUE,
  max_devices integer NOT NULL DEFAULT 20,
  is_active boolean NOT NULL DEFAULT true,
  settings jsonb NOT NULL DEFAULT '{}',
  created_by uuid NOT NULL REFERENCES users (id),
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE group_memberships (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  group_id uuid NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
  user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  role group_role NOT NULL DEFAULT 'member',
  invited_by uuid REFERENCES users (id) ON DELETE SET NULL,
  joined_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (group_id, user_id)
);
CREATE TABLE device_group_memberships (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  device_id uuid NOT NULL REFERENCES devices (device_id) ON DELETE CASCADE,
  group_id uuid NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
  added_by uuid REFERENCES users (id) ON DELETE SET NULL,
  added_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (device_id, group_id)
);
CREATE TABLE migration_audit_logs (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  user_id uuid,
  registration_group_id varchar(255) NOT NULL,
  authenticated_group_id uuid,
  devices_migrated integer NOT NULL DEFAULT 0,
  device_ids uuid[] NOT NULL DEFAULT '{}',
  status migration_status NOT NULL,
  error_message text,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE api_keys (
  id bigserial PRIMARY KEY,
  key_hash varchar(128) NOT NULL UNIQUE,
  key_prefix varchar(8) NOT NULL,
  name varchar(100) NOT NULL,
  is_active boolean NOT NULL DEFAULT true,
  is_admin boolean NOT NULL DEFAULT false,
  last_used_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz
);
ALTER TABLE migration_audit_logs
  ADD COLUMN error_code varchar(64),
  ADD COLUMN duration_ms integer,
  ADD COLUMN idempotency_key varchar(255),
  ADD COLUMN request_hash varchar(64),
  ADD COLUMN group_name varchar(100),
  ADD COLUMN group_slug varchar(120),
  ADD COLUMN devices_remaining bigint,
  ADD COLUMN ignored_device_ids uuid[],
  ADD COLUMN trace_id varchar(32),
  ADD COLUMN received_at timestamptz,
  ADD COLUMN started_at timestamptz,
  ADD COLUMN locked_at timestamptz;
CREATE INDEX regroup_devices_in_group ON devices (group_id) WHERE active;
CREATE INDEX regroup_devices_of_owner ON devices (owner_user_id)
  WHERE owner_user_id IS NOT NULL;
CREATE INDEX regroup_memberships_in_group ON device_group_memberships (group_id);
CREATE UNIQUE INDEX regroup_one_success ON migration_audit_logs (registration_group_id)
  WHERE status = 'success';
CREATE INDEX regroup_partial_successes ON migration_audit_logs (registration_group_id)
  WHERE status = 'partial';
CREATE UNIQUE INDEX regroup_one_use_of_a_key
  ON migration_audit_logs (user_id, idempotency_key)
  WHERE idempotency_key IS NOT NULL AND status IN ('success', 'partial', 'rolled_back');
CREATE INDEX regroup_migration_of_group ON migration_audit_logs (authenticated_group_id)
  WHERE status IN ('success', 'partial');
CREATE OR REPLACE FUNCTION regroup_lock_key(registration_group_id text) RETURNS bigint
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
BEGIN
  RETURN ('x' || encode(substr(sha256(convert_to('regroup:migrate:v1:' || $1, 'UTF8')), 1, 8), 'hex'))
         ::bit(64)::bigint;
END
$$;
CREATE OR REPLACE FUNCTION regroup_members_key(registration_group_id text) RETURNS bigint
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
BEGIN
  RETURN ~regroup_lock_key($1);
END
$$;
CREATE OR REPLACE FUNCTION regroup_is_migrated(device uuid) RETURNS boolean
LANGUAGE sql STABLE STRICT
AS $$
  SELECT EXISTS (
    SELECT FROM device_group_memberships m
    WHERE m.device_id = device
      AND EXISTS (
        SELECT FROM migration_audit_logs a
        WHERE a.authenticated_group_id = m.group_id AND a.status IN ('success', 'partial')
          AND device = ANY (a.device_ids)
        OFFSET 0)
    OFFSET 0)
$$;
CREATE OR REPLACE FUNCTION regroup_new_id(p_group_id uuid) RETURNS uuid
LANGUAGE sql VOLATILE PARALLEL SAFE
AS $$
  SELECT encode(substring(uuid_send(p_group_id) FROM 1 FOR 7)
                || substring(uuid_send(gen_random_uuid()) FROM 8), 'hex')::uuid
$$;
ALTER TABLE migration_audit_logs
  ADD COLUMN rollback_id uuid,
  ADD COLUMN undone_group_id uuid,
  ADD COLUMN rolled_back_at timestamptz,
  ADD COLUMN rolled_back_by uuid,
  ADD COLUMN rollback_key varchar(255),
  ADD COLUMN rollback_trace_id varchar(32),
  ADD COLUMN excluded_device_ids uuid[];
CREATE INDEX regroup_undone_group ON migration_audit_logs (undone_group_id)
  WHERE undone_group_id IS NOT NULL;
CREATE UNIQUE INDEX regroup_one_undo_of_a_key
  ON migration_audit_logs (rolled_back_by, rollback_key) WHERE rollback_key IS NOT NULL;
CREATE TABLE regroup_running (
  migration_id uuid PRIMARY KEY,
  user_id uuid NOT NULL,
  registration_group_id varchar(255) NOT NULL,
  devices_total bigint NOT NULL,
  devices_processed bigint NOT NULL DEFAULT 0,
  received_at timestamptz NOT NULL DEFAULT now(),
  trace_id varchar(32),
  told_at timestamptz NOT NULL DEFAULT now()
);
CREATE OR REPLACE FUNCTION regroup_note_running_v1(
  p_migration_id uuid, p_user_id uuid, p_registration_group_id text, p_device_ids uuid[],
  p_trace_id text DEFAULT NULL, p_received_us bigint DEFAULT 0)
RETURNS bigint
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
  total bigint;
BEGIN
  SELECT count(*) INTO total FROM devices d
  WHERE d.group_id = p_registration_group_id AND d.active
    AND (p_device_ids IS NULL OR d.device_id = ANY (p_device_ids))
    AND NOT regroup_is_migrated(d.device_id);
  INSERT INTO regroup_running (
    migration_id, user_id, registration_group_id, devices_total, received_at, trace_id)
  SELECT p_migration_id, p_user_id, p_registration_group_id, total,
    now() - p_received_us * interval '1 us', p_trace_id
  WHERE NOT EXISTS (SELECT FROM migration_audit_logs a WHERE a.id = p_migration_id)
  ON CONFLICT (migration_id) DO NOTHING;
  DELETE FROM regroup_running r WHERE r.told_at < now() - interval '30 days';
  RETURN total;
END
$$;
CREATE INDEX regroup_memberships_of_user ON group_memberships (user_id);
CREATE TABLE regroup_device_changes (
  id uuid PRIMARY KEY,
  user_id uuid NOT NULL,
  group_id uuid NOT NULL,
  action varchar(10) NOT NULL CHECK (action IN ('add', 'remove')),
  device_ids uuid[] NOT NULL,
  verdicts text[] NOT NULL,
  idempotency_key varchar(255),
  request_hash varchar(64),
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX regroup_one_change_of_a_key
  ON regroup_device_changes (user_id, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX regroup_changes_of_group ON regroup_device_changes (group_id, created_at);
CREATE OR REPLACE FUNCTION regroup_membership_ended() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM set_config('search_path', quote_ident(TG_TABLE_SCHEMA) || ', pg_temp', true);
  PERFORM FROM devices d WHERE d.device_id IN (SELECT gone.device_id FROM gone)
  ORDER BY uuid_send(d.device_id) FOR NO KEY UPDATE;
  UPDATE devices d
  SET group_id = coalesce(
        (SELECT a.group_slug FROM device_group_memberships m
         JOIN migration_audit_logs a ON a.authenticated_group_id = m.group_id
           AND a.status IN ('success', 'partial')
         WHERE m.device_id = d.device_id AND d.device_id = ANY (a.device_ids)
         ORDER BY a.created_at DESC LIMIT 1),
        ended.registration_group_id),
      updated_at = now()
  FROM (SELECT DISTINCT ON (gone.device_id) gone.device_id, a.registration_group_id
        FROM gone
        JOIN devices d ON d.device_id = gone.device_id
        LEFT JOIN groups g ON g.id = gone.group_id
        JOIN migration_audit_logs a ON (a.authenticated_group_id = gone.group_id
            OR a.authenticated_group_id IS NULL AND g.id IS NULL)
          AND a.status IN ('success', 'partial') AND gone.device_id = ANY (a.device_ids)
        WHERE d.group_id IN (a.group_slug, g.slug)
           OR a.group_slug IS NULL AND g.slug IS NULL
        ORDER BY gone.device_id, a.created_at DESC) ended
  WHERE d.device_id = ended.device_id;
  RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER regroup_membership_ended
  AFTER DELETE ON device_group_memberships
  REFERENCING OLD TABLE AS gone
  FOR EACH STATEMENT EXECUTE FUNCTION regroup_membership_ended();
CREATE OR REPLACE FUNCTION regroup_members_keys_of_change(p_group_id uuid, p_device_ids uuid[])
RETURNS bigint[]
LANGUAGE sql STABLE
AS $$
  SELECT coalesce(array_agg(DISTINCT regroup_members_key(s.registration_group_id)
                            ORDER BY regroup_members_key(s.registration_group_id)), '{}')
  FROM (SELECT d.group_id AS registration_group_id FROM devices d
        WHERE d.device_id = ANY (p_device_ids) AND NOT regroup_is_migrated(d.device_id)
        UNION ALL
        SELECT a.registration_group_id FROM migration_audit_logs a
        WHERE a.authenticated_group_id = p_group_id AND a.status IN ('success', 'partial')
          AND a.device_ids && p_device_ids) s
$$;
CREATE INDEX regroup_history ON migration_audit_logs (created_at, id);
CREATE INDEX regroup_history_of_user ON migration_audit_logs (user_id, created_at);
CREATE INDEX regroup_history_of_status ON migration_audit_logs (status, created_at, id)
  WHERE status <> 'success';
CREATE INDEX regroup_history_of_group
  ON migration_audit_logs (registration_group_id, created_at)
  WHERE status NOT IN ('success', 'partial');
CREATE UNLOGGED TABLE regroup_live_migrations (
  migration_id uuid PRIMARY KEY,
  registration_group_id varchar(255) NOT NULL,
  user_id uuid NOT NULL,
  replica varchar(128) NOT NULL,
  lock_key bigint NOT NULL,
  received_at timestamptz NOT NULL,
  trace_id varchar(32),
  seen_at timestamptz NOT NULL DEFAULT now()
);
CREATE OR REPLACE FUNCTION regroup_utc_text(at timestamptz) RETURNS text
LANGUAGE sql STABLE STRICT
AS $$
  SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
$$;
CREATE TABLE webhook_endpoints (
  id uuid PRIMARY KEY,
  url text NOT NULL,
  secret text NOT NULL,
  is_active boolean NOT NULL DEFAULT true,
  created_at timestamptz NOT NULL DEFAULT now(),
  failures integer NOT NULL DEFAULT 0,
  open_until timestamptz,
  last_success_at timestamptz,
  last_failure_at timestamptz,
  last_error text
);
CREATE INDEX regroup_active_endpoints ON webhook_endpoints (id) WHERE is_active;
CREATE TABLE migration_events (
  id bigserial PRIMARY KEY,
  endpoint_id uuid NOT NULL,
  type text NOT NULL,
  migration_id uuid NOT NULL,
  registration_group_id varchar(255) NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  attempts integer NOT NULL DEFAULT 0,
  due_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX regroup_events_of_group
  ON migration_events (endpoint_id, registration_group_id, id);
CREATE OR REPLACE FUNCTION regroup_record_event_v1(
  p_type text, p_migration_id uuid, p_registration_group_id text) RETURNS void
LANGUAGE sql VOLATILE
AS $$
  INSERT INTO migration_events (endpoint_id, type, migration_id, registration_group_id)
  SELECT w.id, p_type, p_migration_id, p_registration_group_id
  FROM webhook_endpoints w WHERE w.is_active;
$$;
CREATE OR REPLACE FUNCTION regroup_webhooks_json() RETURNS json
LANGUAGE sql STABLE
AS $$
  SELECT coalesce(json_agg(json_build_object(
    'id', w.id, 'url', w.url, 'is_active', w.is_active, 'created_at', regroup_utc_text(w.created_at),
    'pending', (SELECT count(*) FROM migration_events e WHERE e.endpoint_id = w.id),
    'failures', w.failures, 'open_until', regroup_utc_text(w.open_until),
    'last_success_at', regroup_utc_text(w.last_success_at),
    'last_failure_at', regroup_utc_text(w.last_failure_at), 'last_error', w.last_error)
    ORDER BY w.created_at, w.id), '[]')
  FROM webhook_endpoints w
$$;
CREATE OR REPLACE FUNCTION regroup_delete_webhook_v1(p_id uuid) RETURNS boolean
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
  found_one boolean;
BEGIN
  DELETE FROM webhook_endpoints w WHERE w.id = p_id;
  found_one := FOUND;
  DELETE FROM migration_events e
  WHERE NOT EXISTS (SELECT FROM webhook_endpoints w WHERE w.id = e.endpoint_id);
  RETURN found_one;
END
$$;

INSERT INTO regroup_schema (step, name, checksum) VALUES
  (1, '001_tables', 'of its text'),
  (2, '002_indexes', 'of its text'),
  (3, '003_locks', 'of its text'),
  (4, '004_migrate', 'of its text'),
  (5, '005_devices', 'of its text'),
  (6, '006_group_life', 'of its text'),
  (7, '007_group_devices', 'of its text'),
  (8, '008_administration', 'of its text'),
  (9, '009_events', 'of its text');
