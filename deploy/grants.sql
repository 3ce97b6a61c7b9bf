-- What the role of database.url needs, and no more: to be run by the owner of the tables, in the
-- database, after `regroup schema apply`. The role is called regroup; docs/operations.md says when.
GRANT SELECT ON users, api_keys, regroup_schema TO regroup;
GRANT SELECT, INSERT, UPDATE ON devices, migration_audit_logs TO regroup;
GRANT SELECT, INSERT, UPDATE, DELETE ON groups TO regroup;
GRANT SELECT, INSERT, DELETE ON group_memberships, device_group_memberships TO regroup;
GRANT SELECT, INSERT ON regroup_device_changes TO regroup;
GRANT SELECT, INSERT, UPDATE, DELETE
  ON regroup_running, regroup_live_migrations, regroup_webhook_endpoints, regroup_migration_events,
    regroup_dead_events TO regroup;
GRANT USAGE ON SEQUENCE devices_id_seq, regroup_migration_events_id_seq TO regroup;
