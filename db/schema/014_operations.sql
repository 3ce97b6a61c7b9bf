-- The recorded undos and changes of a group's devices, by the id that was chosen before each began.
-- An operation inserts its id in its own transaction; a settlement (functions/settle.sql) that does
-- not find it inserts it as failed, and then the operation can never commit. A migration's record
-- is its row in migration_audit_logs; if it failed, it is here (016).
CREATE TABLE IF NOT EXISTS regroup_operations (
  id uuid PRIMARY KEY,
  kind varchar(20), -- undo, device_change, migration; NULL: settled by its id alone, it never began
  user_id uuid NOT NULL,
  group_id uuid,
  status varchar(10) NOT NULL CHECK (status IN ('completed', 'failed')),
  error_code varchar(64),
  error_message text,
  created_at timestamptz NOT NULL DEFAULT now()
);
