-- Limit (b), `pgbench -M prepared`: the statements that db/ sends (db/statements.hpp: begin, migrate,
-- commit), in one round trip.
\set i :client_id + :n * :clients
\set g :first + :i
\set name :names + :g
\set n :n + 1
\startpipeline
BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
SELECT outcome, o_migration_id, o_group_id, o_name, o_slug, o_device_ids, o_remaining, o_ignored, o_device_count, o_linked, o_owned, (date_part('epoch', o_locked_at - now()) * 1000000)::bigint AS lock_us FROM regroup_migrate_v2(gen_random_uuid(), gen_random_uuid(), lpad(:i, 32, '0')::uuid, :g, :name, :name, NULL, 100, 20, NULL, NULL, 'any', false, NULL, 0, 0, 0);
COMMIT;
\endpipeline
