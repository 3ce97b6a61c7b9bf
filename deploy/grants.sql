-- What the role of database.url needs, and no more: to be run by the owner of the tables, in the
-- database, after `regroup schema apply`. The role is called regroup; docs/operations.md says when.
GRANT SELECT ON users, api_keys, regroup_schema TO regroup;
GRANT SELECT, INSERT, UPDATE ON devices TO regroup;
GRANT USAGE ON SEQUENCE devices_id_seq TO regroup;
GRANT SELECT, INSERT ON groups, group_memberships, device_group_memberships TO regroup;
GRANT SELECT, INSERT ON migration_audit_logs TO regroup;
