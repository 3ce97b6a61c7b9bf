-- Limit (a), `pgbench -M prepared`: a migration as a plain client does it, a statement after the
-- other, each a named prepared statement and a round trip.
\set i :client_id + :n * :clients
\set g :first + :i
\set name :names + :g
\set n :n + 1
BEGIN;
SELECT set_config('lock_timeout', '2000', true), set_config('statement_timeout', '10000', true), set_config('idle_in_transaction_session_timeout', '5000', true);
SELECT pg_try_advisory_xact_lock(regroup_lock_key(:g));
SELECT id FROM migration_audit_logs WHERE registration_group_id = :g AND status = 'success';
SELECT array_agg(device_id) AS devices, gen_random_uuid() AS group_id, lpad(:i, 32, '0')::uuid AS owner FROM (SELECT device_id FROM devices WHERE group_id = :g AND active ORDER BY device_id FOR UPDATE) locked \gset
INSERT INTO groups (id, name, slug, max_devices, created_by) VALUES (:group_id::uuid, :name, :name, 20, :owner::uuid);
INSERT INTO group_memberships (group_id, user_id, role) VALUES (:group_id::uuid, :owner::uuid, 'owner');
INSERT INTO device_group_memberships (device_id, group_id, added_by) SELECT unnest(:devices::uuid[]), :group_id::uuid, :owner::uuid;
UPDATE devices SET group_id = :name, updated_at = now() WHERE device_id = ANY (:devices::uuid[]);
INSERT INTO migration_audit_logs (user_id, registration_group_id, authenticated_group_id, devices_migrated, device_ids, status, group_name, group_slug, devices_remaining) VALUES (:owner::uuid, :g, :group_id::uuid, cardinality(:devices::uuid[]), :devices::uuid[], 'success', :name, :name, 0);
COMMIT;
