-- Since when a device is in its registration group, where Regroup has put it there: a vote on whose the
-- group is (migration.link_age) is not brought along from another one.
ALTER TABLE devices ADD COLUMN IF NOT EXISTS group_joined_at timestamptz;
