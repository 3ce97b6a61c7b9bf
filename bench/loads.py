"""The loads: pgbench on the database; wrk and the open loop on the service."""
import contextlib
import os
import pathlib
import subprocess

from cluster import PROGRAMS, ROLE, WrongCount, run
from service import regroup
from world import NAMES, Meter

HERE = pathlib.Path(__file__).resolve().parent
CONNECTIONS = 32
SESSION = "-c enable_seqscan=off -c plan_cache_mode=force_generic_plan"  # as db/session.cpp sets it
LONGEST = 300  # seconds for one run of a load program


def by_sql(bench, script, groups, clients=1, mode="prepared"):
    """Migrates all the groups by SQL alone; pgbench's report."""
    return run([PROGRAMS / "pgbench", "-n", "-M", mode, "-c", clients, "-j", 1,
                "-t", groups.count // clients, "-f", HERE / script, "-D", "n=0",
                "-D", f"clients={clients}", "-D", f"first={groups.first}",
                "-D", f"names={NAMES}", "-h", bench.cluster.folder, "-U", ROLE, groups.database],
               env={**os.environ, "PGOPTIONS": SESSION if script == "limit_b.sql" else ""})


def pgbench(bench, script, clients, count, database="bench", mode="prepared"):
    """`count` first migrations by SQL alone."""
    groups = bench.fresh(count, database=database)
    with Meter(bench) as meter:
        text = by_sql(bench, script, groups, clients, mode)
    bench.check_migrated(groups)
    rate = next(line for line in text.splitlines() if line.startswith("tps = "))
    return meter.sample(count, count / float(rate.split()[2]))


def migrate(bench, servers, groups, connections=CONNECTIONS, algorithm="HS256"):
    """Migrates all the groups over HTTP, each of the servers an equal share of them."""
    share = [groups.count * i // len(servers) for i in range(len(servers) + 1)]
    tokens = bench.tokens.file(groups.count, algorithm)
    with Meter(bench, servers) as meter:
        running = [subprocess.Popen(
            [str(word) for word in
             ("wrk", "-t", 1, "-c", max(1, connections // len(servers)), "-d", f"{LONGEST}s",
              "--timeout", f"{LONGEST}s", "-s", HERE / "success.lua", server.url, "--", tokens,
              groups.first, NAMES, share[i], share[i + 1])], stdout=subprocess.PIPE, text=True)
            for i, server in enumerate(servers)]
        texts = [each.communicate()[0] for each in running]
    answers = [bench.last_json("wrk", text) for text in texts]
    statuses = add_up(answer["statuses"] for answer in answers)
    unexpected = [answer["unexpected"] for answer in answers if answer["unexpected"]]
    if unexpected:
        raise WrongCount(f"201 was expected: {statuses}, such as {unexpected[0]}")
    bench.check_migrated(groups, statuses)
    return meter.sample(groups.count, max(answer["seconds"] for answer in answers))


def add_up(counts):
    total = {}
    for each in counts:
        for key, number in each.items():
            total[key] = total.get(key, 0) + number
    return total


@contextlib.contextmanager
def replicas(bench, count=1, algorithm="HS256", database="bench", flags=()):
    """Newly started ones, warm: every connection is open and has its plans."""
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(regroup(bench, algorithm, database, flags))
                   for _ in range(count)]
        migrate(bench, servers, bench.fresh(bench.options.warm_up, database=database, settle=False),
                algorithm=algorithm)
        yield servers


def over_http(bench, count, devices=3, connections=CONNECTIONS, database="bench",
              algorithm="HS256", replica_count=1, flags=()):
    """`count` first migrations over HTTP by newly started replicas."""
    with replicas(bench, replica_count, algorithm, database, flags) as servers:
        groups = bench.fresh(count, devices, database)
        return migrate(bench, servers, groups, connections, algorithm)


def refused(bench, server, first, count=1, code=None):
    """wrk asks for these groups in turn, again and again, for the length of a window. Every answer
    is a refusal. With `code`, says which share of them has it."""
    words = ["wrk", "-t", 2, "-c", CONNECTIONS, "-d", f"{bench.options.window}s", "-s",
             HERE / "refused.lua", server.url, "--", bench.tokens.file(count, "HS256"), first,
             NAMES, count]
    with Meter(bench, [server]) as meter:
        text = run(words + ([code] if code else []))
    answer = bench.last_json("wrk", text)
    if answer["not_2xx"] != answer["answers"] or answer["broken"] or not answer["answers"]:
        raise WrongCount(f"refusals alone were expected: {answer}")
    sample = meter.sample(answer["answers"], answer["seconds"])
    sample |= {"p50_ms": answer["p50_ms"], "p99_ms": answer["p99_ms"]}
    return sample | ({"with_code": 100 * answer["counted"] / answer["answers"]} if code else {})


def open_loop(bench, server, connections, plan):
    """Sends each request when it is due. `plan`: (seconds from the start, owner, group)."""
    tokens = bench.tokens.of_first(1 + max(owner for _, owner, _ in plan), "HS256")
    path = bench.folder / "plan"
    with open(path, "w", encoding="utf-8") as file:
        for due, owner, group in plan:
            file.write(f"{due * 1e6:.0f}\t{tokens[owner]}\t"
                       f'{{"registration_group_id":"{group}","group_name":"{group + NAMES}"}}\n')
    with Meter(bench, [server]) as meter:
        text = run([bench.binary("bench/regroup_bench_open_loop"), server.port, connections, path],
                   timeout=LONGEST)
    answer = bench.last_json("regroup_bench_open_loop", text)
    return meter.sample(answer["answers"], answer["seconds"]), answer
