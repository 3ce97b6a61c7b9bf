"""What group actors cost in memory: many registration groups, each asked for once."""
import re
import subprocess
import time
import urllib.request

from cluster import WrongCount
from loads import CONNECTIONS, HERE, replicas
from parts import Lane, Part
from world import NAMES, Meter

AT_REST = 12  # seconds: two rounds of the service's housekeeping
LONGEST = 3600
PATIENCE = 60  # for one answer; wrk makes a table of its microseconds


def memory(options):
    count = 2_000 if options.quick else 1_000_000 if options.full else 100_000

    def lane(idle_timeout, let_go):
        def measure(bench):
            flags = ("--migration.group_idle_timeout", f"{idle_timeout}s")
            with replicas(bench, flags=flags) as [server]:
                before = server.memory_mib()
                with Meter(bench, [server]) as meter:
                    seconds = strangers(bench, server, count)
                after = server.memory_mib()
                sample = meter.sample(count, seconds) | {"start_mib": before, "after_mib": after}
                if not let_go:
                    alive = actors(server)
                    if alive < count:
                        raise WrongCount(f"{count} group actors should be alive: {alive}")
                    return sample | {"actor_bytes": (after - before) * 2**20 / alive}
                while actors(server):
                    time.sleep(0.2)
                time.sleep(AT_REST)
                return sample | {"rest_mib": server.memory_mib()}
        return measure
    return Part("memory", f"{count:,} groups, each asked for once by somebody without devices there", [
        Lane("no actor is let go", lane(LONGEST, False)),
        Lane("let go after 5 s", lane(5, True))], once=True)


def strangers(bench, server, count):
    """One request for each of `count` groups that nobody has a device in; how long it took."""
    bench.add_owners(1)
    token = bench.folder / "stranger"
    token.write_text(bench.tokens.of_first(1, "HS256")[0] + "\n")
    first = NAMES * 2  # no other group of the bench has such a number
    text = subprocess.run(
        [str(word) for word in ("wrk", "-t", 1, "-c", CONNECTIONS, "-d", f"{LONGEST}s", "--timeout",
                                f"{PATIENCE}s", "-s", HERE / "success.lua", server.url, "--", token,
                                first, NAMES, 0, count)],
        stdout=subprocess.PIPE, text=True, check=False).stdout
    answer = bench.last_json("wrk", text)
    if answer["statuses"] != {"400": count}:
        raise WrongCount(f"{count} answers of 400 were expected: {answer}")
    return answer["seconds"]


def actors(server):
    """Group actors alive, as the service counts them."""
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/metrics", timeout=30) as answer:
        text = answer.read().decode()
    return int(float(re.search(r"^regroup_group_actors (\S+)$", text, re.M).group(1)))
