-- Since when a device is in its registration group, if Regroup put it there: a device does not
-- bring a vote on whose the group is (migration.link_age) along from another group.
ALTER TABLE devices ADD COLUMN IF NOT EXISTS group_joined_at timestamptz;
