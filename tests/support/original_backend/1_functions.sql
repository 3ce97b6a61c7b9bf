-- The functions of the original's group, device, user and audit tables, and its enums.

CREATE EXTENSION IF NOT EXISTS "uuid-ossp";

CREATE TYPE group_role AS ENUM ('owner', 'admin', 'member', 'viewer');
CREATE TYPE setting_data_type AS ENUM ('boolean', 'integer', 'string', 'float', 'json');
CREATE TYPE setting_category AS ENUM ('tracking', 'privacy', 'notifications', 'battery', 'general');
CREATE TYPE unlock_request_status AS ENUM ('pending', 'approved', 'denied', 'expired');
CREATE TYPE plan_type AS ENUM ('free', 'starter', 'business', 'enterprise');
CREATE TYPE org_user_role AS ENUM ('owner', 'admin', 'member');
CREATE TYPE enrollment_status AS ENUM ('pending', 'enrolled', 'suspended', 'retired');
CREATE TYPE device_command_type
  AS ENUM ('wipe', 'lock', 'unlock', 'restart', 'update_policy', 'sync_settings');
CREATE TYPE device_command_status
  AS ENUM ('pending', 'acknowledged', 'completed', 'failed', 'expired');
CREATE TYPE audit_actor_type AS ENUM ('user', 'system', 'api_key');
CREATE TYPE audit_export_job_status
  AS ENUM ('pending', 'processing', 'completed', 'failed', 'expired');
CREATE TYPE system_role AS ENUM ('super_admin', 'org_admin', 'org_manager', 'support', 'viewer');
CREATE TYPE data_subject_request_type
  AS ENUM ('access', 'deletion', 'portability', 'rectification', 'restriction', 'objection');
CREATE TYPE data_subject_request_status
  AS ENUM ('pending', 'in_progress', 'completed', 'rejected', 'cancelled');
CREATE TYPE setting_change_type AS ENUM ('value_changed', 'locked', 'unlocked', 'reset');
CREATE TYPE migration_status AS ENUM ('success', 'failed', 'partial');

-- Three of them do the same: updated_at becomes the transaction's time, whatever the statement says.
CREATE FUNCTION update_updated_at_column() RETURNS trigger LANGUAGE plpgsql
  AS $$BEGIN NEW.updated_at := now(); RETURN NEW; END$$;
CREATE FUNCTION update_device_commands_updated_at() RETURNS trigger LANGUAGE plpgsql
  AS $$BEGIN NEW.updated_at := now(); RETURN NEW; END$$;
CREATE FUNCTION update_organization_roles_updated_at() RETURNS trigger LANGUAGE plpgsql
  AS $$BEGIN NEW.updated_at := now(); RETURN NEW; END$$;

-- A group keeps an owner: its last one can neither go nor take another role. Cascades count too, so
-- a group with an owner cannot be deleted, nor can the user who is one. Callers see P0001.
CREATE FUNCTION check_group_has_owner() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  is_last boolean := OLD.role = 'owner' AND NOT EXISTS (
    SELECT FROM group_memberships other
    WHERE other.group_id = OLD.group_id AND other.role = 'owner' AND other.id <> OLD.id);
BEGIN
  IF TG_OP = 'DELETE' THEN
    IF is_last THEN
      RAISE EXCEPTION 'the last owner of a group stays';
    END IF;
    RETURN OLD;
  END IF;
  IF is_last AND NEW.role <> 'owner' THEN
    RAISE EXCEPTION 'the last owner of a group keeps the role';
  END IF;
  RETURN NEW;
END
$$;

-- An organization has one default policy: another one that becomes it takes its place.
CREATE FUNCTION ensure_single_default_policy() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.is_default THEN
    UPDATE device_policies other SET is_default = false, updated_at = now()
    WHERE other.organization_id = NEW.organization_id AND other.is_default AND other.id <> NEW.id;
  END IF;
  RETURN NEW;
END
$$;

-- device_policies.device_count follows devices.policy_id, and never falls below zero.
CREATE FUNCTION update_policy_device_count() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  left_policy uuid := CASE WHEN TG_OP <> 'INSERT' THEN OLD.policy_id END;
  new_policy uuid := CASE WHEN TG_OP <> 'DELETE' THEN NEW.policy_id END;
BEGIN
  IF left_policy IS DISTINCT FROM new_policy THEN
    UPDATE device_policies SET device_count = greatest(device_count - 1, 0), updated_at = now()
    WHERE id = left_policy;
    UPDATE device_policies SET device_count = device_count + 1, updated_at = now()
    WHERE id = new_policy;
  END IF;
  RETURN NULL; -- the trigger runs after the row was written
END
$$;

-- The three roles that every organization begins with.
CREATE FUNCTION init_organization_system_roles(org_id uuid, creator_id uuid) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO organization_roles
    (organization_id, created_by, is_system_role, name, priority, display_name, description, permissions)
  SELECT org_id, creator_id, true, role.name, role.priority, initcap(role.name), role.name, role.may
  FROM (VALUES
    ('owner', 100, ARRAY['device:read', 'device:manage', 'user:read', 'user:manage', 'policy:read',
                         'policy:manage', 'audit:read']),
    ('admin', 80, ARRAY['device:read', 'device:manage', 'user:read', 'user:manage', 'policy:read']),
    ('member', 20, ARRAY['device:read', 'user:read'])) AS role (name, priority, may)
  ON CONFLICT (organization_id, name) DO NOTHING;
END
$$;

-- Metres between two points on a sphere of 6,371 km.
CREATE FUNCTION haversine_distance(lat1 double precision, lon1 double precision,
                                   lat2 double precision, lon2 double precision)
RETURNS double precision LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
  h double precision := sind((lat2 - lat1) / 2) ^ 2
                        + cosd(lat1) * cosd(lat2) * sind((lon2 - lon1) / 2) ^ 2;
BEGIN
  RETURN 2 * 6371000 * atan2(sqrt(h), sqrt(1 - h));
END
$$;

-- Its housekeeping: how many locations went.
CREATE FUNCTION cleanup_old_locations(retention_days integer DEFAULT 30) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
  gone integer;
BEGIN
  WITH deleted AS (
    DELETE FROM locations WHERE created_at < now() - make_interval(days => retention_days) RETURNING 1)
  SELECT count(*) INTO gone FROM deleted;
  RETURN gone;
END
$$;

CREATE FUNCTION refresh_group_member_counts() RETURNS void LANGUAGE plpgsql
  AS $$BEGIN REFRESH MATERIALIZED VIEW CONCURRENTLY group_member_counts; END$$;
