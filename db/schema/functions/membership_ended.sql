-- A device that loses the membership that a migration made (taken out, or its group deleted, by
-- whomever) is in its registration group again: devices.group_id is either that or the slug of a group
-- that it is in, and would else be the name of one that it has left, which others share. Not where
-- group_id is another string by now: somebody has moved the device since.
-- A trigger, since other programs delete groups and memberships as well; with its owner's rights,
-- since they need not have any on the audit.
CREATE OR REPLACE FUNCTION regroup_membership_ended() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  -- With its owner's rights it takes its tables from where the trigger's is, and never from whoever
  -- calls it. Until the end of this function, which restores what it SETs.
  PERFORM set_config('search_path', quote_ident(TG_TABLE_SCHEMA) || ', pg_temp', true);

  PERFORM FROM devices d WHERE d.device_id IN (SELECT gone.device_id FROM gone)
  ORDER BY uuid_send(d.device_id) FOR NO KEY UPDATE;

  UPDATE devices d
  SET group_id = coalesce(
        (SELECT a.group_slug FROM device_group_memberships m
         JOIN migration_audit_logs a ON a.authenticated_group_id = m.group_id
           AND a.status IN ('success', 'partial')
         WHERE m.device_id = d.device_id AND d.device_id = ANY (a.device_ids)
         ORDER BY a.created_at DESC LIMIT 1),
        ended.registration_group_id),
      updated_at = now()
  FROM (SELECT DISTINCT ON (gone.device_id) gone.device_id, a.registration_group_id
        FROM gone
        JOIN devices d ON d.device_id = gone.device_id
        LEFT JOIN groups g ON g.id = gone.group_id
        -- A foreign key of an adopted audit has set it NULL by now, where the group was deleted.
        JOIN migration_audit_logs a ON (a.authenticated_group_id = gone.group_id
            OR a.authenticated_group_id IS NULL AND g.id IS NULL)
          AND a.status IN ('success', 'partial') AND gone.device_id = ANY (a.device_ids)
        WHERE d.group_id IN (a.group_slug, g.slug)
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
