-- What hangs on a device: geofences, alerts, webhooks, settings.

CREATE TABLE geofences (
  id bigserial PRIMARY KEY,
  geofence_id uuid NOT NULL DEFAULT uuid_generate_v4() UNIQUE,
  device_id uuid NOT NULL REFERENCES devices (device_id) ON DELETE CASCADE,
  name varchar(100) NOT NULL,
  latitude double precision NOT NULL,
  longitude double precision NOT NULL,
  radius_meters real NOT NULL,
  event_types text[] NOT NULL DEFAULT ARRAY['enter', 'exit'],
  active boolean NOT NULL DEFAULT true,
  metadata jsonb,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT chk_geofence_event_types
    CHECK ((event_types <@ ARRAY['enter', 'exit', 'dwell']) AND (array_length(event_types, 1) > 0)),
  CONSTRAINT chk_geofence_latitude CHECK (latitude BETWEEN -90 AND 90),
  CONSTRAINT chk_geofence_longitude CHECK (longitude BETWEEN -180 AND 180),
  CONSTRAINT chk_geofence_name_length CHECK (char_length(name) BETWEEN 1 AND 100),
  CONSTRAINT chk_geofence_radius CHECK (radius_meters BETWEEN 20 AND 50000)
);
CREATE INDEX idx_geofences_device_id ON geofences (device_id) WHERE active = true;
CREATE INDEX idx_geofences_geofence_id ON geofences (geofence_id);
CREATE TRIGGER update_geofences_updated_at BEFORE UPDATE ON geofences
  FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();

CREATE TABLE geofence_events (
  id bigserial PRIMARY KEY,
  event_id uuid NOT NULL DEFAULT gen_random_uuid() UNIQUE,
  device_id uuid NOT NULL REFERENCES devices (device_id) ON DELETE CASCADE,
  geofence_id uuid NOT NULL REFERENCES geofences (geofence_id) ON DELETE CASCADE,
  event_type varchar(20) NOT NULL,
  "timestamp" bigint NOT NULL,
  latitude double precision NOT NULL,
  longitude double precision NOT NULL,
  webhook_delivered boolean NOT NULL DEFAULT false,
  webhook_response_code integer,
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT geofence_events_event_type_check CHECK (event_type IN ('enter', 'exit', 'dwell')),
  CONSTRAINT geofence_events_latitude_check CHECK (latitude BETWEEN -90 AND 90),
  CONSTRAINT geofence_events_longitude_check CHECK (longitude BETWEEN -180 AND 180),
  CONSTRAINT geofence_events_timestamp_check CHECK ("timestamp" > 0)
);
CREATE INDEX idx_geofence_events_device_id ON geofence_events (device_id);
CREATE INDEX idx_geofence_events_device_id_timestamp ON geofence_events (device_id, "timestamp" DESC);
CREATE INDEX idx_geofence_events_geofence_id ON geofence_events (geofence_id);

CREATE TABLE proximity_alerts (
  id bigserial PRIMARY KEY,
  alert_id uuid NOT NULL DEFAULT uuid_generate_v4() UNIQUE,
  source_device_id uuid NOT NULL REFERENCES devices (device_id) ON DELETE CASCADE,
  target_device_id uuid NOT NULL REFERENCES devices (device_id) ON DELETE CASCADE,
  name varchar(100),
  radius_meters integer NOT NULL,
  is_active boolean NOT NULL DEFAULT true,
  is_triggered boolean NOT NULL DEFAULT false,
  last_triggered_at timestamptz,
  metadata jsonb,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT different_devices CHECK (source_device_id <> target_device_id),
  CONSTRAINT radius_valid CHECK (radius_meters BETWEEN 50 AND 100000)
);
CREATE INDEX idx_proximity_alerts_active ON proximity_alerts (is_active) WHERE is_active = true;
CREATE INDEX idx_proximity_alerts_source_device ON proximity_alerts (source_device_id);
CREATE INDEX idx_proximity_alerts_target_device ON proximity_alerts (target_device_id);
CREATE UNIQUE INDEX idx_proximity_alerts_unique_pair ON proximity_alerts (source_device_id, target_device_id);
CREATE TRIGGER update_proximity_alerts_updated_at BEFORE UPDATE ON proximity_alerts
  FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();

CREATE TABLE webhooks (
  id bigserial PRIMARY KEY,
  webhook_id uuid NOT NULL DEFAULT gen_random_uuid() UNIQUE,
  owner_device_id uuid NOT NULL REFERENCES devices (device_id) ON DELETE CASCADE,
  name varchar(100) NOT NULL,
  target_url varchar(2048) NOT NULL,
  secret varchar(256) NOT NULL,
  enabled boolean NOT NULL DEFAULT true,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  consecutive_failures integer NOT NULL DEFAULT 0,
  circuit_open_until timestamptz,
  CONSTRAINT webhooks_owner_device_id_name_key UNIQUE (owner_device_id, name),
  CONSTRAINT webhooks_target_url_https_check CHECK (target_url LIKE 'https://%')
);
CREATE INDEX idx_webhooks_circuit_open ON webhooks (circuit_open_until)
  WHERE circuit_open_until IS NOT NULL;
CREATE INDEX idx_webhooks_created_at ON webhooks (created_at DESC);
CREATE INDEX idx_webhooks_owner_device_id ON webhooks (owner_device_id);

CREATE TABLE setting_definitions (
  key varchar(100) PRIMARY KEY,
  display_name varchar(200) NOT NULL,
  description text,
  data_type setting_data_type NOT NULL,
  default_value jsonb NOT NULL,
  is_lockable boolean NOT NULL DEFAULT true,
  category setting_category NOT NULL DEFAULT 'general',
  validation_rules jsonb,
  sort_order integer NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX idx_setting_definitions_category ON setting_definitions (category);

CREATE TABLE device_settings (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  device_id uuid NOT NULL REFERENCES devices (device_id) ON DELETE CASCADE,
  setting_key varchar(100) NOT NULL REFERENCES setting_definitions (key),
  value jsonb NOT NULL,
  is_locked boolean NOT NULL DEFAULT false,
  locked_by uuid REFERENCES users (id) ON DELETE SET NULL,
  locked_at timestamptz,
  lock_reason varchar(500),
  updated_by uuid REFERENCES users (id) ON DELETE SET NULL,
  updated_at timestamptz NOT NULL DEFAULT now(),
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT uq_device_setting UNIQUE (device_id, setting_key),
  CONSTRAINT chk_lock_consistency
    CHECK ((is_locked = false AND locked_by IS NULL AND locked_at IS NULL)
      OR (is_locked = true AND locked_by IS NOT NULL AND locked_at IS NOT NULL))
);
CREATE INDEX idx_device_settings_device_id ON device_settings (device_id);
CREATE INDEX idx_device_settings_is_locked ON device_settings (is_locked) WHERE is_locked = true;
CREATE INDEX idx_device_settings_setting_key ON device_settings (setting_key);

CREATE TABLE setting_changes (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  device_id uuid NOT NULL REFERENCES devices (device_id) ON DELETE CASCADE,
  setting_key varchar(100) NOT NULL,
  old_value jsonb,
  new_value jsonb,
  changed_by uuid REFERENCES users (id) ON DELETE SET NULL,
  changed_at timestamptz NOT NULL DEFAULT now(),
  change_type setting_change_type NOT NULL
);
CREATE INDEX idx_setting_changes_changed_by ON setting_changes (changed_by);
CREATE INDEX idx_setting_changes_device_key ON setting_changes (device_id, setting_key);
CREATE INDEX idx_setting_changes_device_time ON setting_changes (device_id, changed_at DESC);

CREATE TABLE unlock_requests (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  device_id uuid NOT NULL REFERENCES devices (device_id) ON DELETE CASCADE,
  setting_key varchar(100) NOT NULL REFERENCES setting_definitions (key) ON DELETE CASCADE,
  requested_by uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  status unlock_request_status NOT NULL DEFAULT 'pending',
  reason text,
  responded_by uuid REFERENCES users (id) ON DELETE SET NULL,
  response_note text,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL DEFAULT now() + interval '7 days',
  responded_at timestamptz
);
CREATE INDEX idx_unlock_requests_device_id ON unlock_requests (device_id);
CREATE INDEX idx_unlock_requests_expires_at ON unlock_requests (expires_at);
CREATE UNIQUE INDEX idx_unlock_requests_pending ON unlock_requests (device_id, setting_key)
  WHERE status = 'pending';
CREATE INDEX idx_unlock_requests_requested_by ON unlock_requests (requested_by);
CREATE INDEX idx_unlock_requests_status ON unlock_requests (status);
CREATE TRIGGER update_unlock_requests_updated_at BEFORE UPDATE ON unlock_requests
  FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();

CREATE TABLE admin_geofences (
  id bigserial PRIMARY KEY,
  geofence_id uuid NOT NULL DEFAULT uuid_generate_v4() UNIQUE,
  organization_id uuid NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
  name varchar(100) NOT NULL,
  description text,
  latitude double precision NOT NULL,
  longitude double precision NOT NULL,
  radius_meters real NOT NULL,
  event_types text[] NOT NULL DEFAULT ARRAY['enter', 'exit'],
  active boolean NOT NULL DEFAULT true,
  color varchar(7),
  metadata jsonb,
  created_by uuid REFERENCES users (id) ON DELETE SET NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT chk_admin_geofence_color CHECK (color IS NULL OR (color ~ '^#[0-9A-Fa-f]{6}$')),
  CONSTRAINT chk_admin_geofence_event_types
    CHECK ((event_types <@ ARRAY['enter', 'exit', 'dwell']) AND (array_length(event_types, 1) > 0)),
  CONSTRAINT chk_admin_geofence_latitude CHECK (latitude BETWEEN -90 AND 90),
  CONSTRAINT chk_admin_geofence_longitude CHECK (longitude BETWEEN -180 AND 180),
  CONSTRAINT chk_admin_geofence_name_length CHECK (char_length(name) BETWEEN 1 AND 100),
  CONSTRAINT chk_admin_geofence_radius CHECK (radius_meters BETWEEN 20 AND 50000)
);
CREATE INDEX idx_admin_geofences_geofence_id ON admin_geofences (geofence_id);
CREATE INDEX idx_admin_geofences_organization_id ON admin_geofences (organization_id)
  WHERE active = true;
CREATE TRIGGER update_admin_geofences_updated_at BEFORE UPDATE ON admin_geofences
  FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();

CREATE TABLE user_geofences (
  id bigserial PRIMARY KEY,
  geofence_id uuid NOT NULL DEFAULT uuid_generate_v4() UNIQUE,
  user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  created_by uuid REFERENCES users (id) ON DELETE SET NULL,
  name varchar(100) NOT NULL,
  latitude double precision NOT NULL,
  longitude double precision NOT NULL,
  radius_meters real NOT NULL,
  event_types text[] NOT NULL DEFAULT ARRAY['enter', 'exit'],
  active boolean NOT NULL DEFAULT true,
  color varchar(7),
  metadata jsonb,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT chk_user_geofence_color CHECK (color IS NULL OR (color ~ '^#[0-9A-Fa-f]{6}$')),
  CONSTRAINT chk_user_geofence_event_types
    CHECK ((event_types <@ ARRAY['enter', 'exit', 'dwell']) AND (array_length(event_types, 1) > 0)),
  CONSTRAINT chk_user_geofence_latitude CHECK (latitude BETWEEN -90 AND 90),
  CONSTRAINT chk_user_geofence_longitude CHECK (longitude BETWEEN -180 AND 180),
  CONSTRAINT chk_user_geofence_name_length CHECK (char_length(name) BETWEEN 1 AND 100),
  CONSTRAINT chk_user_geofence_radius CHECK (radius_meters BETWEEN 20 AND 50000)
);
CREATE INDEX idx_user_geofences_geofence_id ON user_geofences (geofence_id);
CREATE INDEX idx_user_geofences_user_id ON user_geofences (user_id) WHERE active = true;
CREATE TRIGGER update_user_geofences_updated_at BEFORE UPDATE ON user_geofences
  FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();
