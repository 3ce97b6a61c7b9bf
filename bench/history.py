#!/usr/bin/env python3
"""bench/history.py [--rows N] [--migrations N]: what administrators' reading costs.

Page 1 and page 100,000 of a history of 10 million rows, by EXPLAIN (ANALYZE, BUFFERS) of the very
statement that the service sends; and what the history's indexes and the events' outbox cost a
migration, in the server's time. A private PostgreSQL in a temporary folder; takes a quarter of an
hour and 6 GB.
"""
import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess

from cluster import Cluster

ROOT = pathlib.Path(__file__).resolve().parent.parent
PER_PAGE = 50
INDEXES = ("regroup_history", "regroup_history_of_user")


def history_statement():
    """The text of read_history in db/admin_statements.hpp."""
    text = (ROOT / "db" / "admin_statements.hpp").read_text(encoding="utf-8")
    return re.search(r'"regroup_read_history", R"sql\((.*?)\)sql"', text, re.S).group(1)


def apply_schema(cluster, binary):
    subprocess.run([binary, "schema", "apply", "--database.url", cluster.url("postgres")],
                   check=True, capture_output=True,
                   env={**os.environ, "REGROUP_AUTH_JWT_ALGORITHM": "HS256",
                        "REGROUP_AUTH_JWT_SECRET": "a-secret-that-nothing-is-signed-with"})


def fill(cluster, rows):
    step = 1_000_000
    for first in range(1, rows + 1, step):
        cluster.sql("postgres", f"""
            INSERT INTO migration_audit_logs (id, user_id, registration_group_id,
              authenticated_group_id, devices_migrated, device_ids, status, error_code, duration_ms,
              group_name, group_slug, created_at, rolled_back_at)
            SELECT md5('id' || n)::uuid, md5('user' || n % 1000003)::uuid, 'group-' || n,
              md5('group' || n)::uuid, n % 17 + 1, '{{}}',
              (CASE WHEN n % 10000 = 0 OR n % 100 = 1 THEN 'failed'
               WHEN n % 50 = 2 THEN 'partial' ELSE 'success' END)::migration_status,
              CASE WHEN n % 100 = 1 THEN 'server/internal' END, n % 250, 'name', 'slug',
              timestamptz '2026-01-01' + n * interval '0.3 seconds',
              CASE WHEN n % 10000 = 0 THEN timestamptz '2026-06-01' END
            FROM generate_series({first}, {min(first + step - 1, rows)}) AS n;""")
        print(f"  {min(first + step - 1, rows):,} rows", flush=True)
    cluster.sql("postgres", "VACUUM ANALYZE migration_audit_logs; CHECKPOINT;")


def explain(cluster, **filters):
    """The plan of a page with the filters: its nodes, its buffers, its time."""
    names = ("user_id", "status", "group", "from", "to", "at", "id")
    undone = {"failed": "false", "rolled_back": "true"}.get(filters.get("status"), "NULL")
    if undone == "true":
        filters["status"] = "failed"
    values = ["NULL" if filters.get(name) is None else "'" + filters[name] + "'" for name in names]
    types = ("uuid", "migration_status", "text", "timestamptz", "timestamptz", "timestamptz", "uuid",
             "bigint", "boolean")
    text = "\n".join((
        "SET plan_cache_mode = force_custom_plan;",
        f"PREPARE page ({', '.join(types)}) AS {history_statement()};",
        f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE page({', '.join(values)}, {PER_PAGE + 1}, {undone});"))
    cluster.sql("postgres", text)  # what is cold is read
    plan = json.loads("\n".join(cluster.sql("postgres", text)))[0]
    nodes, todo = [], [plan["Plan"]]
    while todo:
        node = todo.pop()
        nodes.append(node["Node Type"] + (f" {node['Index Name']}" if "Index Name" in node else ""))
        todo += node.get("Plans", [])
    root = plan["Plan"]
    return (root["Shared Hit Blocks"] + root["Shared Read Blocks"], plan["Execution Time"],
            " < ".join(nodes))


def report_pages(cluster, rows):
    for page in (1, 100, 10_000, 100_000):
        if page * PER_PAGE > rows:
            continue
        before = {}
        if page > 1:
            row = cluster.sql("postgres", "SELECT created_at, id FROM migration_audit_logs "
                              f"ORDER BY created_at DESC, id DESC OFFSET {(page - 1) * PER_PAGE - 1} "
                              "LIMIT 1")[0].split("|")
            before = {"at": row[0], "id": row[1]}
        print("page {:>7,}: {:>5} buffers, {:6.2f} ms, {}".format(page, *explain(cluster, **before)))
    one = cluster.sql("postgres", "SELECT md5('user5')::uuid")[0]
    for name, filters in (("one user", {"user_id": one}), ("failed", {"status": "failed"}),
                          ("rolled_back", {"status": "rolled_back"}),
                          ("one group", {"group": "group-777777"}),
                          ("an hour", {"from": "2026-01-10T00:00Z", "to": "2026-01-10T01:00Z"})):
        print("{:>12}: {:>5} buffers, {:6.2f} ms, {}".format(name, *explain(cluster, **filters)))


def migrations_cost(cluster, count, rounds):
    """Microseconds of the server's CPU for a migration of 3 devices, without COMMIT, by what is
    there. CPU, not time: who else uses the machine counts for less."""
    cpu = ("(SELECT sum(t::bigint) * 10000.0 FROM unnest((regexp_split_to_array("
           "pg_read_file('/proc/self/stat'), ' '))[14:15]) t)")
    cluster.sql("postgres", "INSERT INTO users (id) SELECT md5('owner')::uuid")
    endpoints = "INSERT INTO regroup_webhook_endpoints (id, url, secret) SELECT gen_random_uuid(), 'x', 'y' FROM generate_series(1, {});"
    drop = "".join(f"DROP INDEX {name};" for name in INDEXES)
    lanes = {"as it is": "", "without the history's indexes": drop,
             "without regroup_history_of_user": f"DROP INDEX {INDEXES[1]};",
             "with one endpoint": endpoints.format(1), "with three": endpoints.format(3)}
    took = {name: [] for name in lanes}
    for number in range(rounds):
        for name, before in lanes.items():
            out = cluster.sql("postgres", f"""
                INSERT INTO devices (device_id, display_name, group_id, platform, owner_user_id)
                SELECT gen_random_uuid(), 'd', 'cost-{number}-' || n / 3, 'android', md5('owner')::uuid
                FROM generate_series(0, {count * 3 - 1}) AS n;
                BEGIN; {before} SET LOCAL enable_seqscan = off;
                DO $$
                DECLARE began numeric; outcome text;
                BEGIN
                  FOR n IN 0..{count - 1} LOOP
                    IF n = {count // 10} THEN began := {cpu}; END IF;
                    SELECT m.outcome INTO STRICT outcome FROM regroup_migrate_v3(gen_random_uuid(),
                      gen_random_uuid(), md5('owner')::uuid, 'cost-{number}-' || n, 'n', 'cost-' || n,
                      NULL, 100, 20, NULL, NULL) m;
                    IF outcome <> 'completed' THEN RAISE EXCEPTION '%', outcome; END IF;
                  END LOOP;
                  PERFORM set_config('bench.took', (({cpu} - began) / {count - count // 10})::text, false);
                END $$;
                SELECT current_setting('bench.took');
                ROLLBACK;
                DELETE FROM devices WHERE group_id LIKE 'cost-%'; VACUUM devices;""")
            took[name].append(float(out[0]))
    for name, each in took.items():
        print(f"{name:>32}: {statistics.median(each):7.1f} µs "
              f"({', '.join(f'{one:.0f}' for one in each)})")


def main():
    parser = argparse.ArgumentParser(prog="bench/history.py", description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--migrations", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--binary", default=ROOT / "build" / "release" / "app" / "regroup")
    parser.add_argument("--data-dir", default="/var/tmp")
    options = parser.parse_args()
    cluster = Cluster(options.data_dir)
    try:
        apply_schema(cluster, options.binary)
        if options.migrations:
            migrations_cost(cluster, options.migrations, options.rounds)
        if options.rows:
            fill(cluster, options.rows)
            report_pages(cluster, options.rows)
    finally:
        cluster.stop()


if __name__ == "__main__":
    main()
