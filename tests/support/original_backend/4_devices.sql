-- Devices, their locations, tokens and policies.

CREATE TABLE device_policies (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  organization_id uuid NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
  name varchar(255) NOT NULL,
  description text,
  is_default boolean NOT NULL DEFAULT false,
  settings jsonb NOT NULL DEFAULT '{}',
  locked_settings text[] NOT NULL DEFAULT '{}',
  priority integer NOT NULL DEFAULT 0,
  device_count integer NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT device_policies_name_unique UNIQUE (organization_id, name)
);
CREATE INDEX idx_device_policies_is_default ON device_policies (organization_id, is_default)
  WHERE is_default = true;
CREATE INDEX idx_device_policies_organization ON device_policies (organization_id);
CREATE INDEX idx_device_policies_priority ON device_policies (organization_id, priority DESC);
CREATE TRIGGER trigger_ensure_single_default_policy BEFORE INSERT OR UPDATE ON device_policies
  FOR EACH ROW WHEN (NEW.is_default = true) EXECUTE FUNCTION ensure_single_default_policy();

CREATE TABLE enrollment_tokens (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  organization_id uuid NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
  token varchar(100) NOT NULL CONSTRAINT enrollment_tokens_token_unique UNIQUE,
  token_prefix varchar(20) NOT NULL,
  group_id varchar(50),
  policy_id uuid REFERENCES device_policies (id) ON DELETE SET NULL,
  max_uses integer,
  current_uses integer NOT NULL DEFAULT 0,
  expires_at timestamptz,
  auto_assign_user_by_email boolean NOT NULL DEFAULT false,
  created_by uuid REFERENCES users (id) ON DELETE SET NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  revoked_at timestamptz
);
CREATE INDEX idx_enrollment_tokens_expires ON enrollment_tokens (expires_at)
  WHERE expires_at IS NOT NULL AND revoked_at IS NULL;
CREATE INDEX idx_enrollment_tokens_group ON enrollment_tokens (group_id) WHERE group_id IS NOT NULL;
CREATE INDEX idx_enrollment_tokens_organization ON enrollment_tokens (organization_id);
CREATE INDEX idx_enrollment_tokens_policy ON enrollment_tokens (policy_id)
  WHERE policy_id IS NOT NULL;
CREATE INDEX idx_enrollment_tokens_token ON enrollment_tokens (token);

CREATE TABLE devices (
  id bigserial PRIMARY KEY,
  device_id uuid NOT NULL UNIQUE,
  display_name varchar(50) NOT NULL,
  group_id varchar(50) NOT NULL,
  platform varchar(20) NOT NULL DEFAULT 'android',
  fcm_token text,
  active boolean NOT NULL DEFAULT true,
  last_seen_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  owner_user_id uuid CONSTRAINT fk_devices_owner_user REFERENCES users (id) ON DELETE SET NULL,
  organization_id uuid,
  is_primary boolean NOT NULL DEFAULT false,
  linked_at timestamptz,
  policy_id uuid REFERENCES device_policies (id) ON DELETE SET NULL,
  is_managed boolean NOT NULL DEFAULT false,
  enrollment_status enrollment_status,
  enrolled_at timestamptz,
  enrolled_via_token_id uuid REFERENCES enrollment_tokens (id) ON DELETE SET NULL,
  assigned_user_id uuid REFERENCES users (id) ON DELETE SET NULL,
  external_id varchar(255),
  metadata jsonb
);
CREATE INDEX idx_devices_assigned_user ON devices (assigned_user_id)
  WHERE assigned_user_id IS NOT NULL;
CREATE INDEX idx_devices_device_id ON devices (device_id);
CREATE INDEX idx_devices_enrollment_status ON devices (enrollment_status)
  WHERE enrollment_status IS NOT NULL;
CREATE INDEX idx_devices_external_id ON devices (external_id) WHERE external_id IS NOT NULL;
CREATE INDEX idx_devices_fcm_token ON devices (fcm_token) WHERE fcm_token IS NOT NULL;
CREATE INDEX idx_devices_group_active_name ON devices (group_id, display_name) WHERE active = true;
CREATE INDEX idx_devices_group_id ON devices (group_id) WHERE active = true;
CREATE INDEX idx_devices_managed ON devices (organization_id, is_managed) WHERE is_managed = true;
CREATE UNIQUE INDEX idx_devices_org_external_id ON devices (organization_id, external_id)
  WHERE external_id IS NOT NULL;
CREATE INDEX idx_devices_organization_id ON devices (organization_id)
  WHERE organization_id IS NOT NULL;
CREATE INDEX idx_devices_owner_user_id ON devices (owner_user_id) WHERE owner_user_id IS NOT NULL;
CREATE INDEX idx_devices_policy ON devices (policy_id) WHERE policy_id IS NOT NULL;
CREATE INDEX idx_devices_user_primary ON devices (owner_user_id, is_primary)
  WHERE owner_user_id IS NOT NULL AND is_primary = true;
CREATE TRIGGER trigger_update_policy_device_count AFTER INSERT OR DELETE OR UPDATE ON devices
  FOR EACH ROW EXECUTE FUNCTION update_policy_device_count();
CREATE TRIGGER update_devices_updated_at BEFORE UPDATE ON devices
  FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();

CREATE TABLE device_tokens (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  device_id bigint NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
  organization_id uuid NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
  token varchar(100) NOT NULL CONSTRAINT device_tokens_token_unique UNIQUE,
  token_prefix varchar(20) NOT NULL,
  expires_at timestamptz NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  last_used_at timestamptz,
  revoked_at timestamptz
);
CREATE INDEX idx_device_tokens_device ON device_tokens (device_id);
CREATE INDEX idx_device_tokens_org ON device_tokens (organization_id);
CREATE INDEX idx_device_tokens_prefix ON device_tokens (token_prefix);
CREATE INDEX idx_device_tokens_valid ON device_tokens (token) WHERE revoked_at IS NULL;

CREATE TABLE device_commands (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  device_id bigint NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
  organization_id uuid NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
  command_type device_command_type NOT NULL,
  status device_command_status NOT NULL DEFAULT 'pending',
  payload jsonb,
  issued_by uuid NOT NULL REFERENCES users (id),
  issued_at timestamptz NOT NULL DEFAULT now(),
  acknowledged_at timestamptz,
  completed_at timestamptz,
  failed_at timestamptz,
  failure_reason text,
  expires_at timestamptz NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX idx_device_commands_device ON device_commands (device_id);
CREATE INDEX idx_device_commands_org ON device_commands (organization_id);
CREATE INDEX idx_device_commands_pending ON device_commands (device_id, status, expires_at)
  WHERE status = 'pending';
CREATE INDEX idx_device_commands_status ON device_commands (status) WHERE status = 'pending';
CREATE TRIGGER trigger_device_commands_updated_at BEFORE UPDATE ON device_commands
  FOR EACH ROW EXECUTE FUNCTION update_device_commands_updated_at();

CREATE TABLE locations (
  id bigserial PRIMARY KEY,
  device_id uuid NOT NULL REFERENCES devices (device_id) ON DELETE CASCADE,
  latitude double precision NOT NULL,
  longitude double precision NOT NULL,
  accuracy real NOT NULL,
  altitude double precision,
  bearing real,
  speed real,
  provider varchar(50),
  battery_level smallint,
  network_type varchar(50),
  captured_at timestamptz NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  transportation_mode varchar(20),
  detection_source varchar(30),
  trip_id uuid,
  CONSTRAINT chk_accuracy CHECK (accuracy >= 0),
  CONSTRAINT chk_battery CHECK (battery_level IS NULL OR battery_level BETWEEN 0 AND 100),
  CONSTRAINT chk_bearing CHECK (bearing IS NULL OR bearing BETWEEN 0 AND 360),
  CONSTRAINT chk_latitude CHECK (latitude BETWEEN -90 AND 90),
  CONSTRAINT chk_longitude CHECK (longitude BETWEEN -180 AND 180),
  CONSTRAINT chk_speed CHECK (speed IS NULL OR speed >= 0)
);
CREATE INDEX idx_locations_created_at ON locations (created_at);
CREATE INDEX idx_locations_device_captured ON locations (device_id, captured_at DESC);
CREATE INDEX idx_locations_trip_id ON locations (trip_id) WHERE trip_id IS NOT NULL;

CREATE TABLE idempotency_keys (
  id bigserial PRIMARY KEY,
  key_hash varchar(64) NOT NULL UNIQUE,
  device_id uuid NOT NULL REFERENCES devices (device_id) ON DELETE CASCADE,
  response_body jsonb NOT NULL,
  response_status smallint NOT NULL DEFAULT 200,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL DEFAULT now() + interval '24 hours'
);
CREATE INDEX idx_idempotency_keys_device_id ON idempotency_keys (device_id);
CREATE INDEX idx_idempotency_keys_expires_at ON idempotency_keys (expires_at);
CREATE INDEX idx_idempotency_keys_key_hash ON idempotency_keys (key_hash);

-- The active devices and the last sign of life of each string in devices.group_id.
CREATE MATERIALIZED VIEW group_member_counts AS
  SELECT group_id, count(*) AS member_count, max(last_seen_at) AS last_activity
  FROM devices WHERE active = true GROUP BY group_id;
CREATE UNIQUE INDEX idx_group_member_counts ON group_member_counts (group_id);

-- Every device with where it was last.
CREATE VIEW devices_with_last_location AS
  SELECT d.id, d.device_id, d.display_name, d.group_id, d.platform, d.fcm_token, d.active,
         d.last_seen_at, d.created_at, d.updated_at, last.latitude AS last_latitude,
         last.longitude AS last_longitude, last.captured_at AS last_location_time,
         last.accuracy AS last_accuracy
  FROM devices d LEFT JOIN LATERAL (
    SELECT l.latitude, l.longitude, l.captured_at, l.accuracy FROM locations l
    WHERE l.device_id = d.device_id ORDER BY l.captured_at DESC LIMIT 1) last ON true;
