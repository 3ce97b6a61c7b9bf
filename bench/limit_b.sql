-- Limit (b), `pgbench -M prepared`: the statements that db/ sends (db/session.cpp, begin_text, and
-- db/statements.hpp, migrate), in three round trips: before, the migration, COMMIT.
\set i :client_id + :n * :clients
\set g :first + :i
\set name :names + :g
\set n :n + 1
\startpipeline
BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
SET LOCAL lock_timeout = 2000;
SET LOCAL statement_timeout = 10000;
SET LOCAL idle_in_transaction_session_timeout = 5000;
SET LOCAL enable_seqscan = off;
\endpipeline
SELECT outcome, o_migration_id, o_group_id, o_name, o_slug, o_device_ids, o_remaining, o_ignored, o_device_count FROM regroup_migrate_v1(gen_random_uuid(), gen_random_uuid(), lpad(:i, 32, '0')::uuid, :g, :name, :name, NULL, 100, 20, NULL, NULL);
COMMIT;
