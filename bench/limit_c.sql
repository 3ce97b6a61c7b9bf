-- Limit (c), pgbench: one call of the leanest function (limit_c/function.sql), which is a transaction
-- of its own. On its own tables (limit_c/schema.sql) or on Regroup's.
\set i :client_id + :n * :clients
\set g :first + :i
\set name :names + :g
\set n :n + 1
SELECT * FROM bench_migrate(:g, lpad(:i, 32, '0')::uuid, gen_random_uuid(), gen_random_uuid(), :name, :name);
