-- Limit (b), `pgbench -M prepared`: the statements that db/ sends (db/statements.hpp: begin, migrate,
-- commit), in one round trip.
\set i :client_id + :n * :clients
\set g :first + :i
\set name :names + :g
\set n :n + 1
\startpipeline
BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
SELECT regroup_migrate_v3(gen_random_uuid(), gen_random_uuid(), lpad(:i, 32, '0')::uuid, :g, :name, :name, NULL, 100, 20, NULL, NULL, 'any', false, NULL, 0, 0, 0, 0) AS composite;
COMMIT;
\endpipeline
