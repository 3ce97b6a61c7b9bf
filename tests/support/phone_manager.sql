-- A database as the backend of a phone manager leaves it: made without Regroup, with more columns,
-- triggers and foreign keys than Regroup knows of, and with what such databases lack.

CREATE TYPE group_role AS ENUM ('owner', 'admin', 'member', 'viewer');
CREATE TYPE migration_status AS ENUM ('success', 'failed');

CREATE TABLE users (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  email varchar(255) NOT NULL UNIQUE,
  display_name varchar(100),
  password_hash text NOT NULL DEFAULT '!',
  locale varchar(8) NOT NULL DEFAULT 'en',
  is_active boolean NOT NULL DEFAULT true,
  created_at timestamp NOT NULL DEFAULT now(),
  updated_at timestamp NOT NULL DEFAULT now()
);

CREATE TABLE devices (
  id bigserial PRIMARY KEY,
  device_id uuid NOT NULL UNIQUE,
  display_name varchar(50) NOT NULL,
  group_id varchar(50) NOT NULL,
  platform varchar(20) NOT NULL,
  os_version text,
  battery smallint CHECK (battery BETWEEN 0 AND 100),
  fcm_token text,
  active boolean NOT NULL DEFAULT true,
  owner_user_id uuid REFERENCES users (id) ON DELETE SET NULL,
  is_primary boolean NOT NULL DEFAULT false,
  linked_at timestamptz,
  last_seen_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX devices_by_group ON devices (group_id);

CREATE TABLE locations (
  id bigserial PRIMARY KEY,
  device_id uuid NOT NULL REFERENCES devices (device_id) ON DELETE CASCADE,
  latitude double precision NOT NULL,
  longitude double precision NOT NULL,
  seen_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE groups (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  name varchar(100) NOT NULL CHECK (length(btrim(name)) > 0),
  slug varchar(120) NOT NULL UNIQUE,
  icon varchar(40) NOT NULL DEFAULT 'tent',
  max_devices integer NOT NULL DEFAULT 20 CHECK (max_devices >= 1 AND max_devices <= 100),
  is_active boolean NOT NULL, -- its default is in the backend
  settings jsonb NOT NULL DEFAULT '{"units": "metric"}',
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
  muted boolean NOT NULL DEFAULT false,
  joined_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (group_id, user_id)
);

-- Without a foreign key to devices: a device that goes leaves its rows behind.
CREATE TABLE device_group_memberships (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  device_id uuid NOT NULL,
  group_id uuid NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
  added_by uuid REFERENCES users (id) ON DELETE SET NULL,
  added_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (device_id, group_id)
);

CREATE TABLE migration_audit_logs (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  user_id uuid NOT NULL REFERENCES users (id) ON DELETE SET NULL,
  registration_group_id text NOT NULL,
  authenticated_group_id uuid NOT NULL REFERENCES groups (id) ON DELETE SET NULL,
  devices_migrated integer NOT NULL,
  device_ids uuid[] NOT NULL,
  status migration_status NOT NULL,
  error_message text,
  client_version varchar(20),
  created_at timestamptz NOT NULL DEFAULT now()
);

-- What the backend does by triggers.
CREATE TABLE device_group_history (
  id bigserial PRIMARY KEY,
  device_id uuid NOT NULL,
  old_group_id text,
  new_group_id text,
  changed_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE outbox (
  id bigserial PRIMARY KEY,
  event text NOT NULL,
  payload jsonb NOT NULL
);
CREATE FUNCTION touch_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.updated_at := clock_timestamp();
  RETURN NEW;
END
$$;
CREATE FUNCTION keep_group_history() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO device_group_history (device_id, old_group_id, new_group_id)
  VALUES (NEW.device_id, OLD.group_id, NEW.group_id);
  RETURN NULL;
END
$$;
CREATE FUNCTION tell_of_group() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO outbox (event, payload) VALUES ('group.created', to_jsonb(NEW));
  RETURN NULL;
END
$$;
CREATE TRIGGER devices_touch BEFORE UPDATE ON devices
  FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
CREATE TRIGGER groups_touch BEFORE UPDATE ON groups
  FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
CREATE TRIGGER devices_history AFTER UPDATE OF group_id ON devices
  FOR EACH ROW WHEN (OLD.group_id IS DISTINCT FROM NEW.group_id)
  EXECUTE FUNCTION keep_group_history();
CREATE TRIGGER groups_told AFTER INSERT ON groups
  FOR EACH ROW EXECUTE FUNCTION tell_of_group();

-- What it has recorded: one registration group was migrated by the backend itself.
INSERT INTO users (id, email, display_name)
SELECT ('00000000-0000-4000-8000-00000000000' || n)::uuid, 'user' || n || '@example.com', 'User ' || n
FROM generate_series(1, 3) n;
INSERT INTO devices (device_id, display_name, group_id, platform, os_version, battery, owner_user_id)
SELECT ('00000000-0000-4000-9000-0000000000' || n)::uuid, 'Phone ' || n,
       CASE WHEN n < 15 THEN 'lake' ELSE 'hike-2025' END, 'android', '14', n,
       CASE WHEN n IN (10, 15) THEN '00000000-0000-4000-8000-000000000001'::uuid END
FROM generate_series(10, 19) n;
INSERT INTO locations (device_id, latitude, longitude)
SELECT device_id, 47.5, 13.6 FROM devices;
INSERT INTO groups (id, name, slug, is_active, created_by)
VALUES ('00000000-0000-4000-a000-000000000001', 'Lake', 'lake', true,
        '00000000-0000-4000-8000-000000000001');
INSERT INTO group_memberships (group_id, user_id, role)
VALUES ('00000000-0000-4000-a000-000000000001', '00000000-0000-4000-8000-000000000001', 'owner');
INSERT INTO device_group_memberships (device_id, group_id)
SELECT device_id, '00000000-0000-4000-a000-000000000001' FROM devices WHERE group_id = 'lake';
INSERT INTO migration_audit_logs (user_id, registration_group_id, authenticated_group_id,
                                  devices_migrated, device_ids, status, client_version)
SELECT '00000000-0000-4000-8000-000000000001', 'lake-2024', '00000000-0000-4000-a000-000000000001',
       5, array_agg(device_id), 'success', '3.1'
FROM devices WHERE group_id = 'lake';
DELETE FROM outbox;
