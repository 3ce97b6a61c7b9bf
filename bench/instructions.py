"""What one migration costs PostgreSQL, in instructions of its backend's user space: they repeat
within half a per cent on a busy machine, where times do not. The server runs under callgrind; a
short and a long run of each lane, and the difference is what the migrations between them cost."""
import contextlib
import http.client
import json
import shutil
import time

import procfs
import service
from cluster import BenchError
from loads import by_sql
from parts import Lane, Part, Ratio
from world import NAMES

SHORT, LONG = 40, 240
DEADLINE = 120  # seconds, for what the server does under callgrind
LEAN = "limit c, own tables, prepared"


@contextlib.contextmanager
def counted(cluster):
    """The cluster's server under callgrind: yields a function that runs some work and returns the
    instructions of the backend that did the most for it."""
    if not shutil.which("valgrind"):
        raise BenchError("valgrind is not installed: run scripts/bench")
    outputs = cluster.folder / "instructions"
    cluster.halt()
    cluster.begin("valgrind", "--tool=callgrind", "--trace-children=yes",
                  f"--callgrind-out-file={outputs}.%p")

    time.sleep(2)  # the server starts its background processes behind its readiness
    background = procfs.children(cluster.pid)

    def ended():
        """A backend writes its count while it ends."""
        until = time.monotonic() + DEADLINE
        while procfs.children(cluster.pid) - background:
            if time.monotonic() > until:
                raise BenchError("a backend does not end")
            time.sleep(0.05)

    def most(work):
        ended()
        before = set(cluster.folder.glob("instructions.*"))
        work()
        ended()
        return max(total(path) for path in set(cluster.folder.glob("instructions.*")) - before)
    try:
        yield most
    finally:
        cluster.halt()
        cluster.begin()


def total(path):
    return sum(int(line.split()[1]) for line in path.read_text(errors="replace").splitlines()
               if line.startswith("totals:"))


def by_limit_c(bench, groups, mode):
    by_sql(bench, "limit_c.sql", groups, mode=mode)


def by_regroup(bench, groups, prepared):
    tokens = bench.tokens.of_first(groups.count, "HS256")
    with service.regroup(bench, flags=("--database.prepared_statements", prepared,
                                       "--database.pool_size", "1")) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=DEADLINE)
        for index, token in enumerate(tokens):
            group = groups.first + index
            connection.request("POST", "/api/v1/groups/migrate", json.dumps(
                {"registration_group_id": str(group), "group_name": str(group + NAMES)}), {
                    "Authorization": "Bearer " + token, "Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            if answer.status != 201:
                raise BenchError(f"201 was expected: {answer.status}")
        connection.close()


def lane(name, database, by, how):
    def measure(bench):
        with counted(bench.cluster) as most:
            counts = []
            for count in (SHORT, LONG):
                groups = bench.fresh(count, database=database)
                counts.append(most(lambda: by(bench, groups, how)))
                bench.check_migrated(groups)
        return {"instructions": (counts[1] - counts[0]) / (LONG - SHORT) / 1000}
    return Lane(name, measure)


def instructions(_options):
    lanes = [lane(LEAN, "lean", by_limit_c, "prepared"),
             lane("limit c, own tables, unprepared", "lean", by_limit_c, "extended"),
             lane("limit c, Regroup's tables, prepared", "bench", by_limit_c, "prepared"),
             lane("regroup, prepared", "bench", by_regroup, "auto"),
             lane("regroup, unprepared", "bench", by_regroup, "false")]
    return Part("instructions", "PostgreSQL's instructions for a migration of 3 devices, thousands",
                lanes, [Ratio("regroup, prepared / limit c", ("regroup, prepared",), (LEAN,),
                              "instructions", "≤ 1.18"),
                        Ratio("regroup, unprepared / limit c", ("regroup, unprepared",), (LEAN,),
                              "instructions", "≤ 1.25")], needs=lambda bench: bench.create_lean_databases(), once=True)
