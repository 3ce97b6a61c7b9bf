"""What every measurement stands on: the database with fresh groups in it, and the counts that show
that what was answered is what is there."""
import json
import pathlib
import shutil
import sys
import tempfile
import time

import procfs
from cluster import BenchError, Cluster, WrongCount, run
from tokens import Tokens

NAMES = 5_000_000_000  # group 1234 becomes "5000001234": another string, so that its index changes
EARLIER = 5000  # groups that were migrated before, where limit c is measured
TABLES = ("users, devices, groups, group_memberships, device_group_memberships, "
          "migration_audit_logs")
ROOT = pathlib.Path(__file__).resolve().parent.parent


class Groups:
    """`count` fresh registration groups, named by their numbers from `first` on. The owner of the
    first of them is owner 0, and so on."""

    def __init__(self, database, first, count, devices):
        self.database, self.first, self.count, self.devices = database, first, count, devices


class Bench:
    def __init__(self, options):
        self.options = options
        self._began = time.monotonic()
        self._next = 1_000_000
        self._owners = {}
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="regroup-bench-"))
        self.tokens = Tokens(self.folder)
        try:
            self.cluster = Cluster(options.data_dir)
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    def close(self):
        self.cluster.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def binary(self, name):
        path = self.options.build / name
        if not path.exists():
            raise BenchError(f"{path} is not built: run scripts/bench")
        return path

    def say(self, line):
        """A progress line, with the seconds since the beginning."""
        print(f"[{time.monotonic() - self._began:4.0f}s] {line}", file=sys.stderr, flush=True)

    def next_number(self):
        self._next += 1
        return self._next

    def create_database(self, name):
        self.cluster.sql("postgres", f"CREATE DATABASE {name}")
        run([self.binary("app/regroup"), "schema", "apply",
             "--database.url", self.cluster.url(name)],
            env=self.tokens.environment("HS256"))
        self._owners[name] = 0

    def create_lean_databases(self):
        """For limit c: "lean" has the tables that the story asks for and no more, and "bench" gets
        the function as well. Both have a history, since a statement that is planned while its
        tables are empty keeps a plan for empty tables."""
        if "lean" in self._owners:
            return
        folder = ROOT / "bench" / "limit_c"
        self.cluster.sql("postgres", "CREATE DATABASE lean")
        self._owners["lean"] = 0
        self.cluster.sql("lean", (folder / "schema.sql").read_text())
        for database in ("lean", "bench"):
            self.cluster.sql(database, (folder / "function.sql").read_text())
            groups = self.fresh(EARLIER, database=database)
            self.cluster.sql(database, f"""
                SELECT count(bench_migrate(g::text, lpad((g - {groups.first})::text, 32, '0')::uuid,
                    gen_random_uuid(), gen_random_uuid(), (g + {NAMES})::text,
                    (g + {NAMES})::text))
                FROM generate_series({groups.first}, {groups.first + EARLIER - 1}) g""")
            self.check_migrated(groups)

    def add_owners(self, count, database="bench"):
        have = self._owners[database]
        if have < count:
            self.cluster.sql(database, f"""
                INSERT INTO users (id) SELECT lpad(i::text, 32, '0')::uuid
                FROM generate_series({have}, {count - 1}) i""")
            self._owners[database] = count

    def fresh(self, count, devices=3, database="bench", settle=True):
        """Fresh groups. Settled: a checkpoint stands before them, so that none falls into the
        measurement and the pages that it will change were written to the log since; and the
        planner knows of them, so that autovacuum has no reason to come meanwhile."""
        self.add_owners(count, database)
        first, self._next = self._next, self._next + count
        self.cluster.sql(database, f"""
            {"CHECKPOINT;" if settle else ""}
            INSERT INTO devices (device_id, display_name, group_id, platform, owner_user_id,
                                 linked_at)
            SELECT gen_random_uuid(), 'Phone ' || d, g::text, 'android',
                   CASE WHEN d = 1 THEN lpad((g - {first})::text, 32, '0')::uuid END, now()
            FROM generate_series({first}, {first + count - 1}) g, generate_series(1, {devices}) d;
            {f"VACUUM ANALYZE {TABLES};" if settle else ""}""")
        return Groups(database, first, count, devices)

    def check_migrated(self, groups, statuses=None):
        """Each of the groups is a whole authenticated group, once; and each answer was 201."""
        first, last = groups.first, groups.first + groups.count - 1
        found = self.cluster.sql(groups.database, f"""
            SELECT count(DISTINCT a.registration_group_id), count(*), count(g.id),
              sum((SELECT count(*) FROM group_memberships m
                   WHERE m.group_id = g.id AND m.role = 'owner')),
              sum((SELECT count(*) FROM device_group_memberships m WHERE m.group_id = g.id)),
              sum((SELECT count(*) FROM devices d WHERE d.group_id = g.slug AND d.active))
            FROM generate_series({first}, {last}) n
            JOIN migration_audit_logs a
              ON a.registration_group_id = n::text AND a.status = 'success'
            LEFT JOIN groups g
              ON g.id = a.authenticated_group_id AND g.slug = (n + {NAMES})::text""")
        counts = [int(each or 0) for each in found[-1].split("|")]
        devices = groups.count * groups.devices
        if counts != [groups.count] * 4 + [devices] * 2:
            raise WrongCount(f"{groups.count} groups of {groups.devices} devices should be "
                             "migrated; the database has groups, successes, authenticated groups, "
                             f"owners, memberships, moved devices: {counts}")
        if statuses is not None and statuses != {"201": groups.count}:
            raise WrongCount(f"{groups.count} answers of 201 were expected: {statuses}")

    def last_json(self, program, text):
        """What a load program says in its last line."""
        try:
            return json.loads(text.strip().splitlines()[-1])
        except (IndexError, json.JSONDecodeError) as why:
            raise WrongCount(f"{program} did not finish: {text.strip()[-300:]}") from why


class Meter:
    """What happened between its beginning and its end costs.
    `cpu_ms`: of the servers, `pg_cpu_ms`: of PostgreSQL, both per 1,000 answers. `others`: how many
    cores were busy with what is not the bench's own: much above 0.1, do not trust the times."""

    def __init__(self, bench, servers=()):
        self._bench, self._servers = bench, servers
        self._cost = None

    def _used(self):
        return (sum(each.cpu_seconds() for each in self._servers),
                self._bench.cluster.cpu_seconds(), procfs.own_cpu_seconds(),
                procfs.machine_busy_seconds(), time.monotonic())

    def __enter__(self):
        self._cost = self._used()
        return self

    def __exit__(self, *_):
        self._cost = [after - before for before, after in zip(self._cost, self._used())]

    def sample(self, count, seconds):
        server, database, own, busy, wall = self._cost
        sample = {"rate": count / seconds, "pg_cpu_ms": database * 1e6 / count,
                  "others": max(0.0, (busy - server - database - own) / wall)}
        if self._servers:
            sample["cpu_ms"] = server * 1e6 / count
            sample["peak_mib"] = max(each.memory_mib("VmHWM") for each in self._servers)
        return sample
