-- The only settlement: "did it commit, or shall it never?" for an operation in doubt.
-- db/settlement.cpp sends it in one round trip with BEGIN and COMMIT; functions/running.sql and
-- functions/live.sql call it. In one transaction it finds what was committed under the operation's
-- id, or inserts that id into regroup_operations as a failure, the fence. An undo or a change of
-- devices ends by inserting its own id there, which is unique; a migration looks for the fence when
-- it writes its record, under the lock of its id. So one that runs later, from bytes that lay unread
-- in a socket or a pooler, fails and leaves nothing. Either answer is true only once this
-- transaction's own COMMIT was kept.
--
-- p_lock: 'wait' takes the registration group's advisory lock first, so that a backend in the
-- middle of the operation comes to its end. 'try' answers 'locked' if another session holds it.
-- 'none' is for operations without a registration group, for a failure that is certain, and for an
-- administrator, who must not wait for the very migration that is to be cancelled. Even then the
-- lock of the id, or its unique index, makes it wait for an operation that has written its record
-- and not yet committed, up to lock_timeout.
CREATE OR REPLACE FUNCTION regroup_settle_v1(
  p_kind text, -- 'migration', 'undo', 'device_change'; NULL: one of these
  p_id uuid,
  p_user_id uuid,
  p_registration_group_id text, -- '' if it is not known
  p_group_id uuid,              -- of an undo or a change of devices, if known
  p_lock text,
  p_error_code text,    -- what the fence says
  p_error_message text, --
  p_trace_id text DEFAULT NULL,     -- of the request
  p_received_us bigint DEFAULT NULL, -- how long ago its replica received it,
  p_started_us bigint DEFAULT NULL,  -- and a worker began it
  OUT outcome text,       -- 'committed', 'fenced', 'locked'
  OUT is_new boolean,     -- the fence was written just now
  OUT o_error_code text,  -- of the fence
  OUT o_migration_id uuid,
  OUT o_group_id uuid,
  OUT o_name text,
  OUT o_slug text,
  OUT o_device_ids uuid[],
  OUT o_remaining bigint,
  OUT o_ignored uuid[],
  OUT o_verdicts text[],  -- of a change of devices
  OUT o_at timestamptz    -- of an undo or a change of devices
) LANGUAGE plpgsql VOLATILE
AS $$
#variable_conflict use_column
DECLARE
  audit migration_audit_logs;
  operation regroup_operations;
BEGIN
  IF p_lock = 'wait' THEN
    PERFORM pg_catalog.pg_advisory_xact_lock(regroup_lock_key(p_registration_group_id));
  ELSIF p_lock = 'try'
     AND NOT pg_catalog.pg_try_advisory_xact_lock(regroup_lock_key(p_registration_group_id)) THEN
    outcome := 'locked';
    RETURN;
  END IF;

  outcome := 'fenced';
  IF p_kind IS NULL OR p_kind = 'migration' THEN
    PERFORM pg_catalog.pg_advisory_xact_lock(regroup_id_key(p_id));
    SELECT a.* INTO audit FROM migration_audit_logs a WHERE a.id = p_id;
  END IF;
  IF audit.id IS NOT NULL THEN
    o_error_code := coalesce(audit.error_code, 'server/internal');
    IF audit.status <> 'failed' OR audit.rolled_back_at IS NOT NULL THEN
      outcome := 'committed';
      o_migration_id := audit.id;
      o_group_id := coalesce(audit.authenticated_group_id, audit.undone_group_id);
      o_name := audit.group_name;
      o_slug := audit.group_slug;
      o_device_ids := audit.device_ids;
      o_remaining := coalesce(audit.devices_remaining, 0);
      o_ignored := coalesce(audit.ignored_device_ids, '{}');
    END IF;
  ELSE
    INSERT INTO regroup_operations (id, kind, user_id, group_id, status, error_code, error_message,
      registration_group_id, duration_ms, trace_id, received_at, started_at)
    VALUES (p_id, p_kind, p_user_id, p_group_id, 'failed', p_error_code, p_error_message,
      CASE WHEN p_kind = 'migration' THEN p_registration_group_id END,
      (coalesce(p_started_us, p_received_us) / 1000)::int, p_trace_id,
      now() - p_received_us * interval '1 us', now() - p_started_us * interval '1 us')
    ON CONFLICT (id) DO NOTHING;
    is_new := FOUND;
    o_error_code := p_error_code;
    IF is_new THEN
      RETURN;
    END IF;
    SELECT o.* INTO operation FROM regroup_operations o WHERE o.id = p_id;
    o_error_code := operation.error_code;
    IF operation.status = 'completed' THEN
      outcome := 'committed';
      o_group_id := operation.group_id;
      IF operation.kind = 'undo' THEN
        SELECT a.id, a.device_ids, a.rolled_back_at INTO o_migration_id, o_device_ids, o_at
        FROM migration_audit_logs a
        WHERE a.undone_group_id = operation.group_id AND a.rollback_id = p_id;
      ELSE
        SELECT c.verdicts, c.created_at INTO o_verdicts, o_at
        FROM regroup_device_changes c WHERE c.id = p_id;
      END IF;
    END IF;
  END IF;
  -- What was found may have committed without the standby's word: something for this transaction to
  -- write, so that its promise covers what was written before.
  PERFORM pg_catalog.pg_logical_emit_message(true, 'regroup', '');
END
$$;

-- The same if only the id is known: a caller asks for its outcome, and the replica that chose it
-- has given it up. The id is fenced for every kind of operation, so that a request to the wrong
-- endpoint gets no untrue answer either. False: the id names something else, or is running.
-- Its row has NULL as the kind: histories leave it out, and any user who knows the id may see it,
-- since the user who asked first need not be its owner.
CREATE OR REPLACE FUNCTION regroup_settle_abandoned_v1(
  p_id uuid, p_user_id uuid, p_error_code text, p_error_message text) RETURNS boolean
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
  IF EXISTS (SELECT FROM migration_audit_logs a WHERE a.id = p_id)
     OR EXISTS (SELECT FROM regroup_operations o WHERE o.id = p_id AND o.kind IS NOT NULL)
     OR EXISTS (SELECT FROM regroup_running r WHERE r.migration_id = p_id)
     OR EXISTS (SELECT FROM groups g WHERE g.id = p_id) THEN
    RETURN false;
  END IF;
  IF (SELECT s.outcome FROM regroup_settle_v1(NULL, p_id, p_user_id, '', NULL, 'none',
                                              p_error_code, p_error_message) s) = 'committed' THEN
    RAISE EXCEPTION 'the operation has committed meanwhile' USING ERRCODE = 'RG001'; -- look again
  END IF;
  RETURN true;
END
$$;

-- Whether a migration is recorded: it happened, or it never will.
CREATE OR REPLACE FUNCTION regroup_has_ended(p_migration_id uuid) RETURNS boolean
LANGUAGE sql STABLE
AS $$
  SELECT EXISTS (SELECT FROM migration_audit_logs a WHERE a.id = p_migration_id)
    OR EXISTS (SELECT FROM regroup_operations o WHERE o.id = p_migration_id)
$$;
