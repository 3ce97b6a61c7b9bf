-- Groups, members, invites, the devices in them, and its record of migrations.

CREATE TABLE groups (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  name varchar(100) NOT NULL,
  slug varchar(120) NOT NULL CONSTRAINT uq_groups_slug UNIQUE,
  description varchar(500),
  icon_emoji varchar(10),
  max_devices integer NOT NULL DEFAULT 20,
  is_active boolean NOT NULL DEFAULT true,
  settings jsonb NOT NULL DEFAULT '{}',
  created_by uuid NOT NULL REFERENCES users (id) ON DELETE RESTRICT,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT chk_groups_max_devices CHECK (max_devices BETWEEN 1 AND 100),
  CONSTRAINT chk_groups_name_length CHECK (length(name) >= 1)
);
CREATE INDEX idx_groups_created_at ON groups (created_at DESC);
CREATE INDEX idx_groups_created_by ON groups (created_by);
CREATE TRIGGER trg_groups_updated_at BEFORE UPDATE ON groups
  FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();

CREATE TABLE group_memberships (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  group_id uuid NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
  user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  role group_role NOT NULL DEFAULT 'member',
  invited_by uuid REFERENCES users (id) ON DELETE SET NULL,
  joined_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT uq_group_membership UNIQUE (group_id, user_id)
);
CREATE INDEX idx_group_memberships_group_id ON group_memberships (group_id);
CREATE INDEX idx_group_memberships_role ON group_memberships (group_id, role);
CREATE INDEX idx_group_memberships_user_id ON group_memberships (user_id);
CREATE TRIGGER trg_check_group_owner BEFORE DELETE OR UPDATE ON group_memberships
  FOR EACH ROW EXECUTE FUNCTION check_group_has_owner();
CREATE TRIGGER trg_group_memberships_updated_at BEFORE UPDATE ON group_memberships
  FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();

CREATE TABLE group_invites (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  group_id uuid NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
  code varchar(11) NOT NULL CONSTRAINT uq_group_invites_code UNIQUE,
  preset_role group_role NOT NULL DEFAULT 'member',
  max_uses integer NOT NULL DEFAULT 1,
  current_uses integer NOT NULL DEFAULT 0,
  expires_at timestamptz NOT NULL,
  created_by uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  created_at timestamptz NOT NULL DEFAULT now(),
  is_active boolean NOT NULL DEFAULT true,
  CONSTRAINT chk_group_invites_current_uses CHECK (current_uses BETWEEN 0 AND max_uses),
  CONSTRAINT chk_group_invites_max_uses CHECK (max_uses BETWEEN 1 AND 100)
);
CREATE INDEX idx_group_invites_code ON group_invites (code) WHERE is_active = true;
CREATE INDEX idx_group_invites_expires ON group_invites (expires_at) WHERE is_active = true;
CREATE INDEX idx_group_invites_group ON group_invites (group_id) WHERE is_active = true;

CREATE TABLE device_group_memberships (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  device_id uuid NOT NULL,
  group_id uuid NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
  added_by uuid NOT NULL REFERENCES users (id) ON DELETE RESTRICT,
  added_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT uq_device_group_membership UNIQUE (device_id, group_id)
);
CREATE INDEX idx_device_group_memberships_added_by ON device_group_memberships (added_by);
CREATE INDEX idx_device_group_memberships_device_id ON device_group_memberships (device_id);
CREATE INDEX idx_device_group_memberships_group_added_at ON device_group_memberships (group_id, added_at DESC);
CREATE INDEX idx_device_group_memberships_group_id ON device_group_memberships (group_id);

CREATE TABLE migration_audit_logs (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  user_id uuid NOT NULL REFERENCES users (id) ON DELETE SET NULL,
  registration_group_id varchar(255) NOT NULL,
  authenticated_group_id uuid NOT NULL REFERENCES groups (id) ON DELETE SET NULL,
  devices_migrated integer NOT NULL DEFAULT 0,
  device_ids uuid[] NOT NULL DEFAULT '{}',
  status migration_status NOT NULL DEFAULT 'success',
  error_message text,
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT chk_migration_devices_count CHECK (devices_migrated >= 0),
  CONSTRAINT chk_migration_reg_group_not_empty CHECK (length(registration_group_id) > 0)
);
CREATE INDEX idx_migration_audit_auth_group ON migration_audit_logs (authenticated_group_id);
CREATE INDEX idx_migration_audit_created_at ON migration_audit_logs (created_at DESC);
CREATE INDEX idx_migration_audit_reg_group ON migration_audit_logs (registration_group_id);
CREATE INDEX idx_migration_audit_status ON migration_audit_logs (status);
CREATE INDEX idx_migration_audit_status_created ON migration_audit_logs (status, created_at DESC);
CREATE INDEX idx_migration_audit_user_id ON migration_audit_logs (user_id);
