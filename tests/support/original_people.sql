-- Who and what is in the original backend's database before anything is tried: four users, an
-- organization, devices of two registration groups, and a group that was made by hand. All of 2020, so
-- that what a statement writes can be told from what was there.

INSERT INTO users (id, email, password_hash, display_name, email_verified, created_at, updated_at)
SELECT ('00000000-0000-4000-8000-00000000000' || n)::uuid, lower(name) || '@example.com', 'x', name,
       true, '2020-01-01', '2020-01-01'
FROM (VALUES (1, 'Ada'), (2, 'Ben'), (3, 'Cyd'), (4, 'Dot')) AS person (n, name);

INSERT INTO organizations (id, name, slug, billing_email, created_at, updated_at)
VALUES ('00000000-0000-4000-b000-000000000001', 'Mountain School', 'mountain-school',
        'office@example.com', '2020-01-01', '2020-01-01');
INSERT INTO device_policies (id, organization_id, name, is_default, created_at, updated_at)
VALUES ('00000000-0000-4000-c000-000000000001', '00000000-0000-4000-b000-000000000001', 'Usual',
        true, '2020-01-01', '2020-01-01');

-- 10 to 13 camp, two of them Ada's and one Ben's; 14 to 16 ski, Ben's; 17 and 18 are in the family's
-- group, Ada's and Cyd's; 19 is nobody's.
INSERT INTO devices (device_id, display_name, group_id, owner_user_id, linked_at, is_primary,
                     last_seen_at, created_at, updated_at)
SELECT ('00000000-0000-4000-9000-0000000000' || n)::uuid, 'Phone ' || n, string,
       ('00000000-0000-4000-8000-00000000000' || owner)::uuid,
       CASE WHEN owner IS NOT NULL THEN timestamptz '2020-01-02' END, n IN (10, 14),
       '2020-01-03', timestamptz '2020-01-01' + n * interval '1 minute', '2020-01-01'
FROM (VALUES (10, 'camping', 1), (11, 'camping', 1), (12, 'camping', 2), (13, 'camping', NULL),
             (14, 'skiing', 2), (15, 'skiing', 2), (16, 'skiing', 2), (17, 'family', 1),
             (18, 'family', 3), (19, 'alone', NULL)) AS device (n, string, owner);
INSERT INTO locations (device_id, latitude, longitude, accuracy, captured_at, created_at)
SELECT device_id, 47.5, 13.6, 5, timestamptz '2020-01-03' + n * interval '1 hour', '2020-01-03'
FROM devices, generate_series(1, 2) n;

INSERT INTO groups (id, name, slug, created_by, created_at, updated_at)
VALUES ('00000000-0000-4000-a000-000000000001', 'Family', 'family',
        '00000000-0000-4000-8000-000000000001', '2020-01-01', '2020-01-01');
INSERT INTO group_memberships (id, group_id, user_id, role, joined_at, updated_at)
SELECT ('00000000-0000-4000-d000-00000000000' || n)::uuid, '00000000-0000-4000-a000-000000000001',
       ('00000000-0000-4000-8000-00000000000' || n)::uuid, role::group_role,
       timestamptz '2020-01-01' + n * interval '1 minute', '2020-01-01'
FROM (VALUES (1, 'owner'), (3, 'member')) AS member (n, role);
INSERT INTO device_group_memberships (id, device_id, group_id, added_by, added_at)
SELECT ('00000000-0000-4000-e000-0000000000' || n)::uuid,
       ('00000000-0000-4000-9000-0000000000' || n)::uuid, '00000000-0000-4000-a000-000000000001',
       '00000000-0000-4000-8000-000000000001', timestamptz '2020-01-01' + n * interval '1 minute'
FROM generate_series(17, 18) n;
REFRESH MATERIALIZED VIEW group_member_counts;
