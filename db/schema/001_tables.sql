-- The tables of the contract. Other programs may have created any of them already, with more
-- columns than these: what exists stays as it is, what is missing is added.
--
-- db/adoption/wanted_schema.cpp parses the files of this folder, and db/adoption/inspection.cpp compares them with
-- the database: a statement is sent only if what it creates does not exist. An existing table gets
-- its missing columns, with their defaults, the keys that ON CONFLICT and foreign keys need, and
-- the foreign keys that cascade. Its indexes are built CONCURRENTLY.

CREATE TYPE group_role AS ENUM ('owner', 'admin', 'member', 'viewer');
CREATE TYPE migration_status AS ENUM ('success', 'failed', 'partial', 'rolled_back');

CREATE TABLE IF NOT EXISTS users (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  email varchar(255) UNIQUE,
  display_name varchar(100),
  is_active boolean NOT NULL DEFAULT true,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS devices (
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

CREATE TABLE IF NOT EXISTS groups (
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

CREATE TABLE IF NOT EXISTS group_memberships (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  group_id uuid NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
  user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  role group_role NOT NULL DEFAULT 'member',
  invited_by uuid REFERENCES users (id) ON DELETE SET NULL,
  joined_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (group_id, user_id)
);

CREATE TABLE IF NOT EXISTS device_group_memberships (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  device_id uuid NOT NULL REFERENCES devices (device_id) ON DELETE CASCADE,
  group_id uuid NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
  added_by uuid REFERENCES users (id) ON DELETE SET NULL,
  added_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (device_id, group_id)
);

-- The audit outlives the rows that it refers to, so it has no foreign keys.
CREATE TABLE IF NOT EXISTS migration_audit_logs (
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

CREATE TABLE IF NOT EXISTS api_keys (
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

-- What this service adds to the audit: enough to repeat the same 201 word for word, for a caller's
-- retry or a request for the migration's status. Also when it was received, started and locked: by
-- this server's clock, minus the age that the replica reports.
ALTER TABLE migration_audit_logs
  ADD COLUMN IF NOT EXISTS error_code varchar(64),
  ADD COLUMN IF NOT EXISTS duration_ms integer,
  ADD COLUMN IF NOT EXISTS idempotency_key varchar(255),
  ADD COLUMN IF NOT EXISTS request_hash varchar(64),
  ADD COLUMN IF NOT EXISTS group_name varchar(100),
  ADD COLUMN IF NOT EXISTS group_slug varchar(120),
  ADD COLUMN IF NOT EXISTS devices_remaining bigint,
  ADD COLUMN IF NOT EXISTS ignored_device_ids uuid[],
  ADD COLUMN IF NOT EXISTS trace_id varchar(32), -- of the request's W3C traceparent
  ADD COLUMN IF NOT EXISTS received_at timestamptz, -- the request
  ADD COLUMN IF NOT EXISTS started_at timestamptz, -- by a replica's database worker
  ADD COLUMN IF NOT EXISTS locked_at timestamptz; -- the registration group and its devices' rows
