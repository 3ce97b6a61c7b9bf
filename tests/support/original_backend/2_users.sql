-- Users, how they log in, and who may.

CREATE TABLE users (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  email varchar(255) NOT NULL UNIQUE,
  password_hash varchar(255),
  display_name varchar(100),
  is_active boolean NOT NULL DEFAULT true,
  email_verified boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  last_login_at timestamptz,
  password_reset_token varchar(64),
  password_reset_expires_at timestamptz,
  email_verification_token varchar(64),
  email_verification_expires_at timestamptz,
  avatar_url varchar(500),
  mfa_enabled boolean NOT NULL DEFAULT false,
  mfa_method varchar(20),
  mfa_secret varchar(255),
  mfa_enrolled_at timestamptz,
  mfa_forced boolean NOT NULL DEFAULT false,
  mfa_forced_at timestamptz,
  mfa_forced_by uuid REFERENCES users (id) ON DELETE SET NULL,
  tracking_enabled boolean NOT NULL DEFAULT true,
  CONSTRAINT chk_mfa_method CHECK (mfa_method IS NULL OR (mfa_method IN ('totp', 'sms', 'email')))
);
CREATE INDEX idx_users_avatar_url ON users (avatar_url) WHERE avatar_url IS NOT NULL;
CREATE INDEX idx_users_email ON users (email);
CREATE INDEX idx_users_email_verification_token ON users (email_verification_token)
  WHERE email_verification_token IS NOT NULL;
CREATE INDEX idx_users_mfa_forced ON users (mfa_forced) WHERE mfa_forced = true;
CREATE INDEX idx_users_password_reset_token ON users (password_reset_token)
  WHERE password_reset_token IS NOT NULL;
CREATE INDEX idx_users_tracking_enabled ON users (tracking_enabled) WHERE is_active = true;
CREATE TRIGGER trg_users_updated_at BEFORE UPDATE ON users
  FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();

CREATE TABLE oauth_accounts (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  provider varchar(20) NOT NULL,
  provider_user_id varchar(255) NOT NULL,
  provider_email varchar(255),
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT uq_oauth_provider_user UNIQUE (provider, provider_user_id),
  CONSTRAINT chk_oauth_provider CHECK (provider IN ('google', 'apple'))
);
CREATE INDEX idx_oauth_accounts_provider_email ON oauth_accounts (provider, provider_email);
CREATE INDEX idx_oauth_accounts_user_id ON oauth_accounts (user_id);

CREATE TABLE user_sessions (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  token_hash varchar(64) NOT NULL CONSTRAINT uq_session_token_hash UNIQUE,
  refresh_token_hash varchar(64) NOT NULL,
  expires_at timestamptz NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  last_used_at timestamptz NOT NULL DEFAULT now(),
  device_name varchar(255),
  device_type varchar(50),
  browser varchar(100),
  os varchar(100),
  ip_address inet,
  location varchar(255),
  user_agent text
);
CREATE INDEX idx_user_sessions_expires_at ON user_sessions (expires_at);
CREATE INDEX idx_user_sessions_token_expires ON user_sessions (token_hash, expires_at);
CREATE INDEX idx_user_sessions_user_id ON user_sessions (user_id);
CREATE INDEX idx_user_sessions_user_id_expires ON user_sessions (user_id, expires_at DESC);

CREATE TABLE registration_invites (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  token varchar(64) NOT NULL UNIQUE,
  email varchar(255),
  created_by uuid REFERENCES users (id) ON DELETE SET NULL,
  expires_at timestamptz NOT NULL,
  used_at timestamptz,
  used_by uuid REFERENCES users (id) ON DELETE SET NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  note varchar(500)
);
CREATE INDEX idx_registration_invites_created_by ON registration_invites (created_by)
  WHERE created_by IS NOT NULL;
CREATE INDEX idx_registration_invites_email ON registration_invites (email) WHERE email IS NOT NULL;
CREATE INDEX idx_registration_invites_token ON registration_invites (token);
CREATE INDEX idx_registration_invites_unused ON registration_invites (expires_at)
  WHERE used_at IS NULL;
