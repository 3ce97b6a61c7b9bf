-- One note of what runs, for the status and for administrators alike. A migration comes into it when it
-- has run for 250 ms, or when it is answered 202, whichever is first.
--
-- Before this step administrators had a table of their own, regroup_live_migrations. Its functions
-- (functions/live.sql, functions/running.sql) use this one now, also for replicas of the version before,
-- which call them by the same names. The table stays for one version, unused: such a replica looks for it
-- when it starts again. The next step drops it.
ALTER TABLE regroup_running
  ADD COLUMN IF NOT EXISTS replica varchar(128), -- that runs it; NULL: noted, and not published yet
  -- Somebody was promised that its end can be asked for, so the row stays until it has one. Any other row
  -- goes when its replica no longer names it.
  ADD COLUMN IF NOT EXISTS answered_202 boolean NOT NULL DEFAULT true;
