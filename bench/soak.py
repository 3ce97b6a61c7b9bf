#!/usr/bin/env python3
"""scripts/soak: hours of mixed load on three replicas behind HAProxy and PgBouncer, with faults.

Ten cycles, each with the same faults. Exit status: 0 when memory, files, threads and latencies of the
last cycle are those of the second, no error 5xx came but while connections were few, every other answer
was right, and nothing acknowledged is missing; 1 when not; 2 when the soak could not run."""
import argparse
import datetime
import os
import pathlib
import signal
import sys
import threading

import procfs
import soak_page
from cluster import BenchError
from soak_faults import Hostile, Receiver, Timetable
from soak_load import Ledger, Probe, Stories, Streams
from soak_room import Room, await_
from soak_verdict import judge
from world import ROOT

CYCLES = 10
WORKERS = 8
STREAMS = 6


def parse(words):
    parser = argparse.ArgumentParser(prog="scripts/soak", description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=30, help="2 or more (default: 30)")
    parser.add_argument("--rate", type=float, default=3,
                        help="registration groups a second, some 15 requests each (default: 3)")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release",
                        help="the folder of the binaries")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "build" / "soak",
                        help="the folder for the page and the logs (default: build/soak)")
    options = parser.parse_args(words)
    if options.minutes < 2:
        parser.error("--minutes: 2 or more")
    if not 0 < options.rate <= 30:
        parser.error("--rate: above 0, at most 30")
    options.build, options.out = options.build.resolve(), options.out.resolve()
    return options


class Sampler(threading.Thread):
    """Once a second, what each replica has: memory, files, threads."""

    def __init__(self, room, ledger, stop):
        super().__init__(daemon=True)
        self._room, self._ledger, self._over = room, ledger, stop
        self.samples = []  # at, and for each replica (memory in MiB, files, threads)

    def run(self):
        while not self._over.wait(1):
            try:
                self.samples.append((self._ledger.now(), [self.of(each.pid)
                                                          for each in self._room.replicas]))
            except (OSError, KeyError):
                pass  # a replica has ended: the verdict says so

    @staticmethod
    def of(pid):
        return (procfs.memory_bytes(pid) / 2**20, len(os.listdir(f"/proc/{pid}/fd")),
                len(os.listdir(f"/proc/{pid}/task")))


def soak(options, room):
    ledger, stop, pause = Ledger(), threading.Event(), threading.Event()
    receiver = Receiver()
    room.sql("INSERT INTO regroup_webhook_endpoints (id, url, secret) SELECT gen_random_uuid(), "
             f"'http://127.0.0.1:{receiver.server_port}/' || path, 'whsec_soak' "
             "FROM unnest(ARRAY['good', 'moody']) path")
    hostile = Hostile(room, ledger, stop)
    sampler = Sampler(room, ledger, stop)
    timetable = Timetable(room, ledger, receiver, hostile, pause)
    threads = [hostile, sampler, *(Probe(room, each, ledger, stop) for each in room.replicas),
               *(Stories(room, ledger, stop, 10 + n, WORKERS, WORKERS / options.rate)
                 for n in range(WORKERS)),
               *(Streams(room, ledger, stop, pause, n) for n in range(STREAMS))]
    for each in threads:
        each.start()
    seconds, told = options.minutes * 60 / CYCLES, [0.0]

    def tell(cycle):
        if ledger.now() - told[0] >= 10 and sampler.samples:
            told[0] = ledger.now()
            bad = [each for each in ledger.answers if not each.expected]
            states = "  ".join(f"{memory:.1f} MiB {files} files {count} threads"
                               for memory, files, count in sampler.samples[-1][1])
            print(f"[{told[0]:5.0f}s] cycle {cycle + 1}/{CYCLES}  {len(ledger.answers)} answers, "
                  f"{len(bad)} not as they should be | {states}", file=sys.stderr, flush=True)
        return all(each.runs() for each in room.replicas)

    timetable.run(CYCLES, seconds, tell)
    stop.set()
    for each in threads:
        each.join(90)
    ledger.ended = ledger.now()
    # What is left for the receiver that takes everything is on its way.
    try:
        await_("the events are delivered", lambda: room.sql(
            "SELECT count(*) FROM regroup_migration_events e JOIN regroup_webhook_endpoints w "
            "ON w.id = e.endpoint_id WHERE w.url LIKE '%/good'") == ["0"], 60)
    except BenchError:
        pass  # the verdict counts them
    return judge(options, seconds, room, ledger, sampler, timetable, receiver)


def main(words):
    options = parse(words)
    began = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
    room = None
    try:
        print("starting PostgreSQL, PgBouncer, three replicas and HAProxy", file=sys.stderr)
        room = Room(options.build, options.out / "logs")
        result = soak(options, room)
    except BenchError as why:
        print(f"soak: {why}", file=sys.stderr)
        return 2
    finally:
        if room:
            room.close()
    result["began"] = began
    soak_page.write(options.out / "soak.html", result)
    for row in result["checks"]:
        print(f"{'ok  ' if row['good'] else 'FAIL'}  {row['name']}: {row['found']}")
    print(f"{options.out / 'soak.html'}")
    return 0 if all(row["good"] for row in result["checks"]) else 1


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # and so stop all that it started
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
