"""What the soak has shown: each check, and the figures that the page draws."""
import collections
import statistics

FLAT = 1.05  # the last cycle's mean over the second's
SLOWER, SLACK_MS = 1.5, 10  # medians of latencies: what others do on the machine is in them
MEASURES = ("resident memory, MiB", "open files", "threads")


def judge(options, seconds, room, ledger, sampler, timetable, receiver):
    checks = []

    def check(name, good, found):
        checks.append({"name": name, "good": bool(good), "found": found})

    def in_cycle(at, number):
        return (number - 1) * seconds <= at < number * seconds

    last = int(options.minutes * 60 / seconds + 0.5)
    lives = [each.number for each in room.replicas if each.runs()]
    check("all replicas live", len(lives) == len(room.replicas), f"{len(lives)} of "
          f"{len(room.replicas)}, in the processes they began as")
    for place, measure in enumerate(MEASURES):
        for number, replica in enumerate(room.replicas):
            early, late = (statistics.mean(states[number][place] for at, states in sampler.samples
                                           if in_cycle(at, cycle)) for cycle in (2, last))
            check(f"replica {replica.number}, {measure}", late <= early * FLAT,
                  f"{early:.1f} in the second cycle, {late:.1f} in the last "
                  f"({(late / early - 1) * 100:+.1f} %)")
    for replica in room.replicas:
        early, late = (statistics.median(each.ms for each in ledger.answers
                                         if each.kind == f"probe {replica.number}"
                                         and in_cycle(each.at, cycle)) for cycle in (2, last))
        check(f"replica {replica.number}, median latency, ms", late <= early * SLOWER + SLACK_MS,
              f"{early:.1f} in the second cycle, {late:.1f} in the last")
    answers(check, ledger, timetable)
    database(check, room, ledger, receiver)
    return {"checks": checks, "seconds": seconds, "ended": ledger.ended, "samples": sampler.samples,
            "answers": ledger.answers, "faults": timetable.log, "minutes": options.minutes,
            "rate": options.rate, "bad": bad_answers(ledger, timetable)}


def bad_answers(ledger, timetable):
    return [each for each in ledger.answers
            if not each.expected and not timetable.excused(each.at)]


def told(some):
    counts = collections.Counter((each.kind, each.status, each.code) for each in some)
    return ", ".join(f"{count} {kind}: {status or 'no answer'} {code}".strip()
                     for (kind, status, code), count in counts.most_common(8))


def answers(check, ledger, timetable):
    bad = bad_answers(ledger, timetable)
    errors = [each for each in bad if each.status >= 500 or each.status == 0]
    others = [each for each in bad if 0 < each.status < 500]
    excused = [each for each in ledger.answers if not each.expected and timetable.excused(each.at)]
    check("no error 5xx, and no answer missing, that no fault asked for", not errors,
          told(errors) or f"none of {len(ledger.answers)} (while connections were few: "
          f"{told(excused) or 'none'})")
    check("every other answer is right", not others, told(others) or "all")


def database(check, room, ledger, receiver):
    recorded = set(room.sql("SELECT id FROM migration_audit_logs "
                            "WHERE status <> 'failed' OR rolled_back_at IS NOT NULL"))
    missing = ledger.committed - recorded
    check("what was acknowledged is there", not missing,
          f"{len(ledger.committed)} migrations acknowledged, {len(missing)} missing")
    twice = room.sql("SELECT count(*) FROM (SELECT 1 FROM migration_audit_logs WHERE "
                     "status = 'success' GROUP BY registration_group_id HAVING count(*) > 1) t")[0]
    check("no registration group was migrated twice", twice == "0", twice)
    undelivered = [each for each in recorded if ("migration.completed", each) not in receiver.good]
    check("every event reached the receiver that takes all", not undelivered,
          f"{len(receiver.good)} delivered, {len(undelivered)} completed migrations not told; "
          f"the moody one answered {receiver.moody}")
