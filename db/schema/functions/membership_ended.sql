-- A device that loses the membership that a migration made (it was taken out, or its group deleted,
-- by any program) is in its registration group again: devices.group_id becomes either that or the
-- slug of a group that it is still in. Otherwise it would be the name of a group that it has left,
-- which others share. Not if group_id is another string by now: then another program has moved the
-- device since.
-- A trigger, since other programs delete groups and memberships as well; with its owner's rights,
-- since they need not have any on the audit.
--
-- So it looks nothing up by a name to which another role can give a meaning. The tables are written
-- with their schema, which db/adoption/comparison_functions.cpp inserts. The operators have the same
-- pg_catalog type on both sides, and pg_catalog is searched first, or they are qualified: an enum's
-- `=` and `varchar = varchar` could be another role's. search_path is for the other triggers of
-- devices, which run inside this one. The trigger serves one table, and PUBLIC may not execute its
-- function, which is needed to make a trigger of it.
CREATE OR REPLACE FUNCTION regroup_membership_ended() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = {schema}, pg_temp
AS $$
BEGIN
  IF TG_RELID <> $name${device_group_memberships}$name$::regclass::oid OR TG_OP <> 'DELETE' THEN
    RAISE EXCEPTION 'regroup_membership_ended() is not a trigger of this table' USING
      ERRCODE = 'insufficient_privilege';
  END IF;

  PERFORM FROM {devices} d WHERE d.device_id IN (SELECT gone.device_id FROM gone)
  ORDER BY uuid_send(d.device_id) FOR NO KEY UPDATE;

  UPDATE {devices} d
  SET group_id = coalesce(
        (SELECT a.group_slug FROM {device_group_memberships} m
         JOIN {migration_audit_logs} a ON a.authenticated_group_id = m.group_id
           AND a.status OPERATOR(pg_catalog.=) ANY ('{success,partial}')
         WHERE m.device_id = d.device_id AND d.device_id = ANY (a.device_ids)
         ORDER BY a.created_at DESC LIMIT 1),
        ended.registration_group_id),
      updated_at = now()
  FROM (SELECT DISTINCT ON (gone.device_id) gone.device_id, a.registration_group_id
        FROM gone
        JOIN {devices} d ON d.device_id = gone.device_id
        LEFT JOIN {groups} g ON g.id = gone.group_id
        -- A foreign key of an adopted audit has set it NULL by now, where the group was deleted.
        JOIN {migration_audit_logs} a ON (a.authenticated_group_id = gone.group_id
            OR a.authenticated_group_id IS NULL AND g.id IS NULL)
          AND a.status OPERATOR(pg_catalog.=) ANY ('{success,partial}') AND gone.device_id = ANY (a.device_ids)
        WHERE d.group_id::text IN (a.group_slug::text, g.slug::text)
           OR a.group_slug IS NULL AND g.slug IS NULL -- an audit row not of Regroup's making
        ORDER BY gone.device_id, a.created_at DESC) ended
  WHERE d.device_id = ended.device_id;
  RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER regroup_membership_ended
  AFTER DELETE ON device_group_memberships
  REFERENCING OLD TABLE AS gone
  FOR EACH STATEMENT EXECUTE FUNCTION regroup_membership_ended();
