-- Limit (c): the leanest that the story asks for: lock, look, lock the rows, five writes; no
-- idempotency keys, partial migrations, undo, consent or settlement. Each statement of a VOLATILE
-- plpgsql function has its own snapshot under READ COMMITTED, so what is read after the lock is newer
-- than the lock.
CREATE OR REPLACE FUNCTION bench_migrate(
  p_reg text, p_user uuid, p_mig uuid, p_gid uuid, p_name text, p_slug text,
  OUT outcome text, OUT group_id uuid, OUT migration_id uuid, OUT ids uuid[])
LANGUAGE plpgsql VOLATILE AS $$
DECLARE owns bool;
BEGIN
  IF NOT pg_try_advisory_xact_lock(hashtextextended(p_reg, 0)) THEN
    outcome := 'in-progress'; RETURN;
  END IF;
  SELECT a.id, a.authenticated_group_id INTO migration_id, group_id
    FROM migration_audit_logs a WHERE a.registration_group_id = p_reg AND a.status = 'success';
  IF FOUND THEN outcome := 'already-migrated'; RETURN; END IF;
  SELECT array_agg(s.device_id), bool_or(s.owner_user_id = p_user) INTO ids, owns FROM (
    SELECT d.device_id, d.owner_user_id FROM devices d
     WHERE d.group_id = p_reg AND d.active ORDER BY d.device_id FOR UPDATE) s;
  IF ids IS NULL THEN outcome := 'no-devices'; RETURN; END IF;
  IF owns IS NOT TRUE THEN outcome := 'not-owner'; RETURN; END IF;
  INSERT INTO groups (id, name, slug, created_by) VALUES (p_gid, p_name, p_slug, p_user)
    ON CONFLICT (slug) DO NOTHING;
  IF NOT FOUND THEN outcome := 'name-exists'; RETURN; END IF;
  INSERT INTO group_memberships (group_id, user_id, role) VALUES (p_gid, p_user, 'owner');
  INSERT INTO device_group_memberships (device_id, group_id, added_by)
    SELECT u, p_gid, p_user FROM unnest(ids) u;
  UPDATE devices d SET group_id = p_slug, updated_at = now() WHERE d.device_id = ANY (ids);
  INSERT INTO migration_audit_logs (id, user_id, registration_group_id, authenticated_group_id,
                                    devices_migrated, device_ids, status)
    VALUES (p_mig, p_user, p_reg, p_gid, cardinality(ids), ids, 'success');
  outcome := 'ok'; group_id := p_gid; migration_id := p_mig;
END $$;
