-- One record of what is running, both for the status and for administrators. A migration is added
-- when it has run for 250 ms or is answered 202, whichever is first.
--
-- Before this step administrators had a table of their own, regroup_live_migrations. Its functions
-- (functions/live.sql, functions/running.sql) now use this one, also for replicas of the previous
-- version, which call them by the same names. The old table stays unused for one version: such a
-- replica looks for it when it restarts. The next step drops it.
ALTER TABLE regroup_running
  ADD COLUMN IF NOT EXISTS replica varchar(128), -- runs it; NULL: noted, not published yet
  -- The caller was promised that the outcome can be looked up, so the row stays until there is one.
  -- Any other row is deleted once its replica no longer lists it.
  ADD COLUMN IF NOT EXISTS answered_202 boolean NOT NULL DEFAULT true;
