"""The parts of the bench. Each has lanes that are measured in turn, round by round, and ratios
between the lanes."""
import dataclasses
import json
import random
import re
import statistics
import threading
import time

import service
from cluster import BenchError, WrongCount
from loads import migrate, open_loop, over_http, pgbench, refused, replicas
from world import NAMES, ROOT


@dataclasses.dataclass
class Lane:
    name: str
    measure: object  # (bench) -> {key: number}
    at: float = None  # where it stands on the horizontal axis of a growth plot, if it does


@dataclasses.dataclass
class Ratio:
    name: str
    over: tuple  # lanes, of which the best counts
    under: tuple
    key: str = "rate"
    goal: str = ""  # as the issue has it: "≥ 0.8"


@dataclasses.dataclass
class Part:
    name: str
    title: str
    lanes: list
    ratios: list = dataclasses.field(default_factory=list)
    axis: str = ""  # of a growth plot; empty: no such plot
    once: bool = False  # takes long, and is the same each time: one round
    needs: object = None  # (bench): what it prepares, once


def check_limit_is_what_db_sends(_bench):
    """limit_b.sql repeats statements of db/; should those change, this limit must follow."""
    header = (ROOT / "db" / "statements.hpp").read_text()
    script = (ROOT / "bench" / "limit_b.sql").read_text().replace("lpad(:i, 32, '0')", ":owner")
    for name in ("begin", "migrate", "commit"):
        literals = re.search(rf'"regroup_{name}",(.*?)\}};', header, re.S).group(1)
        sent = "".join(re.findall(r'"([^"]*)"', literals))
        pattern = re.sub(r"\\\$\d+", "[^,;]+", re.escape(sent)) + ";"
        if not re.search("^" + pattern, script, re.M):
            raise BenchError(f"bench/limit_b.sql must send what db/ sends: {sent}")


def success():
    def limit(script, clients, database="bench", mode="prepared"):
        return lambda bench: pgbench(bench, script, clients, bench.options.groups, database, mode)

    def regroup(algorithm):
        return lambda bench: over_http(bench, bench.options.groups, algorithm=algorithm)
    a, b = ("limit a, 8", "limit a, 32"), ("limit b, 8", "limit b, 32")
    lanes = [Lane(name, limit("limit_a.sql", clients)) for name, clients in zip(a, (8, 32))]
    lanes += [Lane(name, limit("limit_b.sql", clients)) for name, clients in zip(b, (8, 32))]
    lanes += [Lane("limit c, 8", limit("limit_c.sql", 8, "lean")),
              Lane("limit c, 32", limit("limit_c.sql", 32, "lean")),
              Lane("limit c, 32, unprepared", limit("limit_c.sql", 32, "lean", "extended")),
              Lane("limit c, 32, Regroup's tables", limit("limit_c.sql", 32))]
    lanes += [Lane("regroup HS256", regroup("HS256")), Lane("regroup RS256", regroup("RS256"))]
    ratios = [Ratio(f"regroup {alg} / limit {name}", (f"regroup {alg}",), limits, goal=goal)
              for alg in ("HS256", "RS256")
              for name, limits, goal in (("a", a, "≥ 1.15"), ("b", b, "≥ 0.8"))]
    ratios += [Ratio(f"regroup {alg} / limit c, {clients}", (f"regroup {alg}",),
                     (f"limit c, {clients}",), goal=goal)
               for alg in ("HS256", "RS256") for clients, goal in ((8, "≥ 0.9"), (32, "≥ 1.0"))]
    ratios += [Ratio(f"PostgreSQL's CPU, regroup HS256 / {name}, 8", ("regroup HS256",),
                     (f"{name}, 8",), "pg_cpu_ms") for name in ("limit b", "limit c")]

    def needs(bench):
        check_limit_is_what_db_sends(bench)
        bench.create_lean_databases()
    return Part("success", "Success path: first migrations of groups of 3 devices, a second", lanes,
                ratios, needs=needs)


def start():
    def idle(bench):
        with service.regroup(bench) as server:
            sample = {"ready_ms": server.ready_ms, "start_mib": server.memory_mib()}
            before = server.cpu_seconds()
            time.sleep(bench.options.window)
            used = server.cpu_seconds() - before
            return sample | {"idle_cpu_percent": used * 100 / bench.options.window}
    return Part("start", "A replica that starts and has nothing to do", [Lane("regroup", idle)])


def rejections():
    in_progress, already = "migration/in-progress", "resource/already-migrated"
    answers = {}  # what the service answered: bare RESTinio answers the same

    def held(bench, flags=()):
        with replicas(bench, flags=flags) as [server]:
            groups = bench.fresh(1)
            token = bench.tokens.of_first(1, "HS256")[0]
            session = bench.cluster.hold("bench", "SELECT FROM devices WHERE group_id = "
                                         f"'{groups.first}' FOR UPDATE")
            winner = threading.Thread(target=server.migrate, args=(token, groups.first,
                                                                   groups.first + NAMES))
            try:
                winner.start()
                await_lock_waiter(bench)  # or the next request would be the one that waits
                answers[in_progress] = await_answer(server, token, groups.first, in_progress)
                sample = counting_transactions(bench, lambda: refused(bench, server, groups.first))
            finally:
                session.close()
                winner.join()
            await_answer(server, token, groups.first, already)
        bench.check_migrated(groups)
        return sample

    def migrated(bench, count):
        with replicas(bench) as [server]:
            groups = bench.fresh(count)
            migrate(bench, [server], groups)
            sample = counting_transactions(
                bench, lambda: refused(bench, server, groups.first, count, already))
        bench.check_migrated(groups)
        return sample

    def bare(bench):
        with service.echo(bench, (409, answers[in_progress])) as server:
            return refused(bench, server, 1_000_000)

    lanes = [Lane("409 held", held),
             Lane("409 held, no log", lambda bench: held(bench, ("--log.level", "warning"))),
             Lane("409 migrated, one group", lambda bench: migrated(bench, 1)),
             Lane("409 migrated, 320 groups", lambda bench: migrated(bench, 320)),
             Lane("bare RESTinio", bare)]
    return Part("rejections", "Refusals, a second", lanes, [
        Ratio(f"{lane.name} / bare RESTinio", (lane.name,), ("bare RESTinio",),
              goal="≥ 0.8" if lane.name == "409 held" else "") for lane in lanes[:-1]
    ] + [Ratio("server's CPU, 409 held / bare RESTinio", ("409 held",), ("bare RESTinio",),
               "cpu_ms")])


def counting_transactions(bench, work):
    """The sample of `work`, and how many transactions ended in the database meanwhile. The
    statistics' own question is one of them."""
    before = bench.cluster.transactions("bench")
    sample = work()
    return sample | {"db_transactions": bench.cluster.transactions("bench") - before}


def await_lock_waiter(bench, deadline=30):
    """Until a session of the bench's database waits for another's lock."""
    until = time.monotonic() + deadline
    while not bench.cluster.number("bench", "SELECT count(*) FROM pg_stat_activity WHERE datname = "
                                   "current_database() AND wait_event_type = 'Lock'"):
        if time.monotonic() > until:
            raise WrongCount("the migration that should wait for a lock does not")
        time.sleep(0.01)


def await_answer(server, token, group, code, deadline=10):
    """Until the service refuses the group with this code; the body."""
    until = time.monotonic() + deadline
    while time.monotonic() < until:
        status, body = server.migrate(token, group, group + NAMES)
        if status == 409 and body["error"]["code"] == code:
            return json.dumps(body, separators=(",", ":"))
        time.sleep(0.01)
    raise WrongCount(f"{code} was expected: {status} {body}")


def mixed():
    same, different, pause = 50, 50, 0.3  # requests of a storm; seconds between two

    def storms(bench):
        count = bench.options.storms
        with replicas(bench) as [server]:
            groups = bench.fresh(count * (different + 1))
            plan = []
            for storm in range(count):
                first = storm * (different + 1)
                wanted = [first] * same + list(range(first + 1, first + 1 + different))
                random.Random(storm).shuffle(wanted)
                plan += [(storm * pause, index, groups.first + index) for index in wanted]
            sample, answer = open_loop(bench, server, same + different, plan)
        counts = {status: each["count"] for status, each in answer["by_status"].items()}
        if counts != {"201": count * (different + 1), "409": count * (same - 1)}:
            raise WrongCount(f"{count} storms of {same} for one group and {different} for as many "
                             f"should give one 201 a group, 409 for the rest: {counts}")
        bench.check_migrated(groups)
        sample["p95_409_ms"] = answer["by_status"]["409"]["p95_ms"]
        return sample | latencies(answer["all"])
    return Part("mixed", "100 requests at once, half for one group, half for 50 others "
                "(story: p95 < 500 ms)", [Lane("regroup", storms)])


def latencies(all_answers):
    return {key: value for key, value in all_answers.items() if key.endswith("_ms")}


def open_loop_part():
    highest = []

    def measure_highest(bench):
        if not highest:
            highest.append(statistics.median(
                over_http(bench, bench.options.groups)["rate"]
                for _ in range(min(3, bench.options.rounds))))

    def at(share):
        def constant(bench):
            rate = highest[0] * share
            with replicas(bench) as [server]:
                groups = bench.fresh(max(10, int(rate * 2 * bench.options.window)))
                plan = [(index / rate, index, groups.first + index)
                        for index in range(groups.count)]
                sample, answer = open_loop(bench, server, 256, plan)
            bench.check_migrated(groups, {status: each["count"] for status, each in
                                          answer["by_status"].items()})
            return sample | latencies(answer["all"]) | {"offered": rate}
        return constant
    return Part("open-loop", "A constant rate of arrivals; latency from when each is due", [
        Lane("50 % of the highest rate", at(0.5)), Lane("80 % of the highest rate", at(0.8))],
                needs=measure_highest)
