#!/usr/bin/env python3
"""scripts/bench: how fast Regroup is beside what its database and its HTTP server alone can do.

Exit status: 0; 1 when a count is wrong (an answer that the database does not bear out) or the bench
could not run. No time makes it fail."""
import argparse
import datetime
import pathlib
import shutil
import signal
import statistics
import sys

import growth
import instructions
import machine
import memory
import page
import parts
import report
import watched
from cluster import BenchError
from world import ROOT, Bench

PARTS = {
    "start": lambda options: parts.start(),
    "success": lambda options: parts.success(),
    "rejections": lambda options: parts.rejections(),
    "mixed": lambda options: parts.mixed(),
    "open-loop": lambda options: parts.open_loop_part(),
    "devices": growth.devices,
    "stored": growth.stored,
    "replicas": growth.replica_counts,
    "pool": growth.pools,
    "threads": growth.threads,
    "watched": lambda options: watched.watched(),
    "memory": memory.memory,
    "instructions": instructions.instructions,
}


def parse(words):
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__.split("\n")[0])
    parser.add_argument("--only", metavar="PART,...", default=",".join(PARTS),
                        help="of " + ", ".join(PARTS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--groups", type=int, default=6400, help="migrated in each measurement")
    parser.add_argument("--quick", action="store_true", help="everything tiny, one round: a test")
    parser.add_argument("--full", action="store_true", help="5 million groups stored (20 GB, long)")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release",
                        help="the folder of the binaries")
    parser.add_argument("--data-dir", default="/var/tmp",
                        help="where the database's temporary folder is made: a real disk")
    options = parser.parse_args(words)
    options.window, options.storms, options.warm_up = 5, 20, 640
    if options.quick:
        options.rounds, options.groups = 1, 192
        options.window, options.storms, options.warm_up = 1, 2, 64
    options.groups = max(32, options.groups // 32 * 32)
    options.build = options.build.resolve()
    options.only = options.only.split(",")
    for name in options.only:
        if name not in PARTS:
            parser.error(f"no part {name}; there are " + ", ".join(PARTS))
    if not shutil.which("wrk"):
        parser.error("wrk is not installed: run scripts/bench")
    return options


def measure(bench, part):
    """Every lane once a round, each second round in the reverse order; medians."""
    if part.needs:
        part.needs(bench)
    samples = {lane.name: [] for lane in part.lanes}
    rounds = 1 if part.once else bench.options.rounds
    for number in range(rounds):
        for lane in part.lanes if number % 2 == 0 else reversed(part.lanes):
            sample = lane.measure(bench)
            samples[lane.name].append(sample)
            bench.say(f"round {number + 1}/{rounds}  {part.name}: {lane.name}  " +
                      report.one_line(sample))
    medians = {name: {key: statistics.median(each[key] for each in some) for key in some[0]}
               for name, some in samples.items()}
    return {"title": part.title, "axis": part.axis,
            "at": {lane.name: lane.at for lane in part.lanes},
            "samples": samples, "medians": medians,
            "ratios": [ratio_of(each, samples, rounds) for each in part.ratios]}


def ratio_of(ratio, samples, rounds):
    """The median of the rounds' ratios: a machine that is slower for some minutes is so for both."""
    def best(names, number):
        return max(samples[name][number][ratio.key] for name in names)
    value = statistics.median(best(ratio.over, number) / best(ratio.under, number)
                              for number in range(rounds))
    return {"name": ratio.name, "value": value, "goal": ratio.goal}


def main(words):
    options = parse(words)
    results = {"began": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
               "rounds": options.rounds, "groups": options.groups, "quick": options.quick,
               "parts": {}}
    bench = None
    try:
        bench = Bench(options)
        bench.create_database("bench")
        results["machine"] = machine.describe(bench)
        for name in options.only:
            bench.say(f"part {name}")
            results["parts"][name] = measure(bench, PARTS[name](options))
    except BenchError as why:
        print(f"bench: {why}", file=sys.stderr)
        return 1
    finally:
        if bench:
            bench.close()
    folder = ROOT / "bench" / "results"
    report.write_json(folder / "latest.json", results)
    page.write(folder / "latest.html", results)
    report.print_table(results)
    print(f"\n{folder / 'latest.json'}\n{folder / 'latest.html'}")
    return 0


if __name__ == "__main__":
    try:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # and so stop the database
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
