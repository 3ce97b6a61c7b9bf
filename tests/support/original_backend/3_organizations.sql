-- The organizations of its business customers, what administrators do there, and API keys.

CREATE TABLE organizations (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  name varchar(255) NOT NULL,
  slug varchar(50) NOT NULL CONSTRAINT organizations_slug_unique UNIQUE,
  billing_email varchar(255) NOT NULL,
  plan_type plan_type NOT NULL DEFAULT 'free',
  max_users integer NOT NULL DEFAULT 5,
  max_devices integer NOT NULL DEFAULT 10,
  max_groups integer NOT NULL DEFAULT 5,
  settings jsonb NOT NULL DEFAULT '{}',
  is_active boolean NOT NULL DEFAULT true,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  suspended_at timestamptz,
  suspended_by uuid REFERENCES users (id) ON DELETE SET NULL,
  suspension_reason text,
  CONSTRAINT organizations_billing_email_format
    CHECK (billing_email ~* '^[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}$'),
  CONSTRAINT organizations_max_devices_positive CHECK (max_devices > 0),
  CONSTRAINT organizations_max_groups_positive CHECK (max_groups > 0),
  CONSTRAINT organizations_max_users_positive CHECK (max_users > 0),
  CONSTRAINT organizations_name_length CHECK (length(name) BETWEEN 2 AND 255),
  CONSTRAINT organizations_slug_format
    CHECK (slug ~ '^[a-z0-9][a-z0-9-]*[a-z0-9]$' AND length(slug) >= 3 AND length(slug) <= 50)
);
CREATE INDEX idx_organizations_created_at ON organizations (created_at DESC);
CREATE INDEX idx_organizations_is_active ON organizations (is_active) WHERE is_active = true;
CREATE INDEX idx_organizations_plan_type ON organizations (plan_type);
CREATE INDEX idx_organizations_slug ON organizations (slug);
CREATE INDEX idx_organizations_suspended ON organizations (suspended_at)
  WHERE suspended_at IS NOT NULL;
CREATE TRIGGER update_organizations_updated_at BEFORE UPDATE ON organizations
  FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();

CREATE TABLE org_users (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  organization_id uuid NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
  user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  role org_user_role NOT NULL DEFAULT 'member',
  permissions jsonb NOT NULL DEFAULT '[]',
  granted_at timestamptz NOT NULL DEFAULT now(),
  granted_by uuid REFERENCES users (id) ON DELETE SET NULL,
  suspended_at timestamptz,
  suspended_by uuid REFERENCES users (id) ON DELETE SET NULL,
  suspension_reason text,
  CONSTRAINT org_users_unique UNIQUE (organization_id, user_id)
);
CREATE INDEX idx_org_users_organization_id ON org_users (organization_id);
CREATE INDEX idx_org_users_role ON org_users (organization_id, role);
CREATE INDEX idx_org_users_suspended ON org_users (organization_id, suspended_at)
  WHERE suspended_at IS NOT NULL;
CREATE INDEX idx_org_users_user_id ON org_users (user_id);

CREATE TABLE org_member_invites (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  organization_id uuid NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
  token varchar(64) NOT NULL UNIQUE,
  email varchar(255) NOT NULL,
  role varchar(50) NOT NULL DEFAULT 'member',
  invited_by uuid REFERENCES users (id) ON DELETE SET NULL,
  expires_at timestamptz NOT NULL,
  accepted_at timestamptz,
  accepted_by uuid REFERENCES users (id) ON DELETE SET NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  note varchar(255)
);
CREATE INDEX idx_org_member_invites_email ON org_member_invites (email);
CREATE INDEX idx_org_member_invites_org_id ON org_member_invites (organization_id);
CREATE INDEX idx_org_member_invites_pending ON org_member_invites (organization_id, expires_at)
  WHERE accepted_at IS NULL;
CREATE INDEX idx_org_member_invites_token ON org_member_invites (token);
CREATE UNIQUE INDEX idx_org_member_invites_unique_pending ON org_member_invites (organization_id, email)
  WHERE accepted_at IS NULL;

CREATE TABLE organization_roles (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  organization_id uuid NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
  name varchar(50) NOT NULL,
  display_name varchar(100) NOT NULL,
  description text,
  permissions text[] NOT NULL DEFAULT '{}',
  is_system_role boolean NOT NULL DEFAULT false,
  priority integer NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at timestamptz NOT NULL DEFAULT CURRENT_TIMESTAMP,
  created_by uuid REFERENCES users (id) ON DELETE SET NULL,
  CONSTRAINT uq_org_role_name UNIQUE (organization_id, name)
);
CREATE INDEX idx_org_roles_org_id ON organization_roles (organization_id);
CREATE INDEX idx_org_roles_system ON organization_roles (organization_id, is_system_role);
CREATE TRIGGER trg_organization_roles_updated_at BEFORE UPDATE ON organization_roles
  FOR EACH ROW EXECUTE FUNCTION update_organization_roles_updated_at();

CREATE TABLE user_system_roles (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  role system_role NOT NULL,
  granted_at timestamptz NOT NULL DEFAULT now(),
  granted_by uuid REFERENCES users (id) ON DELETE SET NULL,
  CONSTRAINT user_system_roles_unique UNIQUE (user_id, role)
);
CREATE INDEX idx_user_system_roles_role ON user_system_roles (role);
CREATE INDEX idx_user_system_roles_user ON user_system_roles (user_id);

CREATE TABLE admin_org_assignments (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  organization_id uuid NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
  assigned_at timestamptz NOT NULL DEFAULT now(),
  assigned_by uuid REFERENCES users (id) ON DELETE SET NULL,
  CONSTRAINT admin_org_assignments_unique UNIQUE (user_id, organization_id)
);
CREATE INDEX idx_admin_org_assignments_org ON admin_org_assignments (organization_id);
CREATE INDEX idx_admin_org_assignments_user ON admin_org_assignments (user_id);

CREATE TABLE audit_logs (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  organization_id uuid NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
  "timestamp" timestamptz NOT NULL DEFAULT now(),
  actor_id uuid,
  actor_type audit_actor_type NOT NULL,
  actor_email varchar(255),
  action varchar(50) NOT NULL,
  resource_type varchar(30) NOT NULL,
  resource_id varchar(255),
  resource_name varchar(255),
  changes jsonb,
  metadata jsonb,
  ip_address inet,
  user_agent text,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX idx_audit_logs_action ON audit_logs (organization_id, action);
CREATE INDEX idx_audit_logs_actor ON audit_logs (organization_id, actor_id);
CREATE INDEX idx_audit_logs_org_timestamp ON audit_logs (organization_id, "timestamp" DESC);
CREATE INDEX idx_audit_logs_resource ON audit_logs (organization_id, resource_type, resource_id);
CREATE INDEX idx_audit_logs_timestamp ON audit_logs ("timestamp" DESC);

CREATE TABLE audit_export_jobs (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  job_id varchar(100) NOT NULL UNIQUE,
  organization_id uuid NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
  status audit_export_job_status NOT NULL DEFAULT 'pending',
  format varchar(10) NOT NULL DEFAULT 'json',
  filters jsonb,
  record_count bigint,
  download_url text,
  error_message text,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL DEFAULT now() + interval '24 hours',
  completed_at timestamptz
);
CREATE INDEX idx_audit_export_jobs_job_id ON audit_export_jobs (job_id);
CREATE INDEX idx_audit_export_jobs_org ON audit_export_jobs (organization_id, created_at DESC);
CREATE INDEX idx_audit_export_jobs_status ON audit_export_jobs (status, expires_at);

CREATE TABLE data_subject_requests (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  organization_id uuid NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
  request_type data_subject_request_type NOT NULL,
  status data_subject_request_status NOT NULL DEFAULT 'pending',
  subject_email varchar(255) NOT NULL,
  subject_name varchar(255),
  subject_user_id uuid REFERENCES users (id) ON DELETE SET NULL,
  description text,
  rejection_reason text,
  processed_by uuid REFERENCES users (id) ON DELETE SET NULL,
  processed_at timestamptz,
  result_data jsonb,
  result_file_url text,
  result_expires_at timestamptz,
  due_date timestamptz NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX idx_dsr_created_at ON data_subject_requests (created_at DESC);
CREATE INDEX idx_dsr_due_date ON data_subject_requests (due_date);
CREATE INDEX idx_dsr_organization_id ON data_subject_requests (organization_id);
CREATE INDEX idx_dsr_request_type ON data_subject_requests (request_type);
CREATE INDEX idx_dsr_status ON data_subject_requests (status);
CREATE INDEX idx_dsr_subject_email ON data_subject_requests (subject_email);
CREATE INDEX idx_dsr_subject_user_id ON data_subject_requests (subject_user_id);
CREATE TRIGGER set_dsr_updated_at BEFORE UPDATE ON data_subject_requests
  FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();

CREATE TABLE report_jobs (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  organization_id uuid NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
  report_type varchar(50) NOT NULL,
  status varchar(20) NOT NULL DEFAULT 'pending',
  parameters jsonb NOT NULL DEFAULT '{}',
  file_path text,
  file_size_bytes bigint,
  error_message text,
  created_by uuid NOT NULL REFERENCES users (id) ON DELETE SET NULL,
  started_at timestamptz,
  completed_at timestamptz,
  expires_at timestamptz NOT NULL DEFAULT now() + interval '24 hours',
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX idx_report_jobs_cleanup ON report_jobs (expires_at) WHERE status = 'completed';
CREATE INDEX idx_report_jobs_expires ON report_jobs (expires_at) WHERE status = 'completed';
CREATE INDEX idx_report_jobs_org_id ON report_jobs (organization_id);
CREATE INDEX idx_report_jobs_status ON report_jobs (status);

CREATE TABLE bulk_import_jobs (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  organization_id uuid NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
  initiated_by uuid NOT NULL REFERENCES users (id),
  status varchar(50) NOT NULL DEFAULT 'pending',
  total_devices integer NOT NULL DEFAULT 0,
  processed_devices integer NOT NULL DEFAULT 0,
  created_devices integer NOT NULL DEFAULT 0,
  updated_devices integer NOT NULL DEFAULT 0,
  skipped_devices integer NOT NULL DEFAULT 0,
  error_count integer NOT NULL DEFAULT 0,
  errors jsonb,
  started_at timestamptz,
  completed_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX idx_bulk_import_jobs_org_id ON bulk_import_jobs (organization_id);
CREATE INDEX idx_bulk_import_jobs_status ON bulk_import_jobs (status);

CREATE TABLE api_keys (
  id bigserial PRIMARY KEY,
  key_hash varchar(128) NOT NULL UNIQUE,
  key_prefix varchar(8) NOT NULL,
  name varchar(100) DEFAULT 'API Key',
  is_active boolean NOT NULL DEFAULT true,
  is_admin boolean NOT NULL DEFAULT false,
  last_used_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz,
  user_id uuid REFERENCES users (id) ON DELETE CASCADE,
  description varchar(255),
  organization_id uuid REFERENCES organizations (id) ON DELETE CASCADE
);
CREATE INDEX idx_api_keys_active ON api_keys (key_hash) WHERE is_active = true;
CREATE INDEX idx_api_keys_org_active ON api_keys (organization_id, is_active)
  WHERE organization_id IS NOT NULL;
CREATE INDEX idx_api_keys_organization_id ON api_keys (organization_id)
  WHERE organization_id IS NOT NULL;
CREATE INDEX idx_api_keys_prefix ON api_keys (key_prefix);
CREATE INDEX idx_api_keys_user_id ON api_keys (user_id) WHERE user_id IS NOT NULL;
