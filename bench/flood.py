#!/usr/bin/env python3
"""bench/flood.py REGROUP [ROUNDS]: a user's migrations, 25 a second, without and beside a flood of
random API keys on 1,000 connections (wrk), in turns. Prints the p95 of both, in milliseconds, and
what became of each migration. REGROUP is the program; it gets an embedded PostgreSQL of its own."""
import collections
import http.client
import json
import pathlib
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
PORT = 18765
SECONDS = 8
RATE = 25


def sql(folder, text):
    subprocess.run(["psql", "-q", "-v", "ON_ERROR_STOP=1", "-h", f"{folder}/socket", "-U", "postgres",
                    "-d", "regroup", "-c", text], check=True, stdout=subprocess.DEVNULL)


def migrate(token, first):
    """The time that each took, in ms, and how often each status came."""
    statuses, times = collections.Counter(), []
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=60)
    begin = time.monotonic()
    for n in range(SECONDS * RATE):
        time.sleep(max(0.0, begin + n / RATE - time.monotonic()))
        asked = time.monotonic()
        connection.request("POST", "/api/v1/groups/migrate",
                           json.dumps({"registration_group_id": f"group-{first + n}"}),
                           {"Authorization": f"Bearer {token}", "Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        times.append((time.monotonic() - asked) * 1000)
        statuses[answer.status] += 1
    return sorted(times), statuses


def p95(times):
    return times[int(len(times) * 0.95)]


def main():
    program, rounds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3
    with tempfile.TemporaryDirectory() as place:
        pathlib.Path(place).chmod(0o755)
        folder = f"{place}/postgres"
        settings = ["--database.embedded_dir", folder, "--http.port", str(PORT),
                    "--limits.requests_per_minute", "0", "--log.level", "warning"]
        with open(f"{place}/log", "wb") as log:
            server = subprocess.Popen([program, "serve", *settings], stderr=log)
        try:
            measure(program, folder, settings, rounds)
        finally:
            server.terminate()
            server.wait()


def measure(program, folder, settings, rounds):
    for _ in range(600):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=5)
            connection.request("GET", "/api/health/ready")
            if connection.getresponse().status == 200:
                break
        except OSError:
            pass
        time.sleep(0.1)
    user = "00000000-0000-4000-8000-000000000001"
    groups = 2 * rounds * SECONDS * RATE
    sql(folder, f"INSERT INTO users (id, email) VALUES ('{user}', 'flood@example.com'); "
                "INSERT INTO devices (device_id, display_name, group_id, platform, owner_user_id) "
                f"SELECT gen_random_uuid(), 'phone', 'group-' || n, 'android', '{user}' "
                f"FROM generate_series(0, {groups - 1}) n, generate_series(1, 3)")
    token = subprocess.run([program, "token", "--user", user, "--ttl", "1h", *settings],
                           check=True, capture_output=True, text=True).stdout.strip()
    first = 0
    for number in range(rounds):
        for flooded in (False, True):
            wrk = None
            if flooded:
                wrk = subprocess.Popen(
                    ["wrk", "-t1", "-c1000", f"-d{SECONDS + 4}s", "-s", str(HERE / "flood.lua"),
                     f"http://127.0.0.1:{PORT}/api/admin/v1/migrations"],
                    stdout=subprocess.PIPE, text=True)
                time.sleep(2)
            times, statuses = migrate(token, first)
            first += SECONDS * RATE
            said = wrk.communicate()[0] if wrk else ""
            rate = next((line.split()[1] for line in said.splitlines() if "Requests/sec" in line), "")
            print(f"round {number + 1} {'flood' if flooded else 'quiet'}: p50 "
                  f"{times[len(times) // 2]:.1f} p95 {p95(times):.1f} max {times[-1]:.1f} ms, "
                  f"{dict(statuses)}" + (f", {rate} keys/s" if rate else ""), flush=True)


main()
