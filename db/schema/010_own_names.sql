-- Tables whose names had no prefix and could be another program's. They are renamed before anything
-- else is compared, and only if an earlier version of Regroup made them (db/adoption/comparison_names.cpp
-- says how it knows). A table of another program is left alone.
ALTER TABLE webhook_endpoints RENAME TO regroup_webhook_endpoints;
ALTER INDEX regroup_active_endpoints RENAME TO regroup_webhook_endpoints_active;
ALTER TABLE migration_events RENAME TO regroup_migration_events;
ALTER INDEX regroup_events_of_group RENAME TO regroup_migration_events_of_group;
