"""`regroup serve` as the bench runs it, and bare RESTinio beside it."""
import http.client
import json
import os
import signal
import socket
import subprocess
import time

import procfs
from cluster import BenchError, run

DEADLINE = 30  # seconds, to become ready and to stop


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Program:
    """A program that serves on a port of its own. What it writes goes to nowhere."""

    def __init__(self, words, environment=None):
        self.port = None
        self._words, self._environment = words, {**os.environ, **(environment or {})}
        self._process = None

    def __enter__(self):
        self.port = free_port()
        words = [str(word).replace("{port}", str(self.port)) for word in self._words]
        started = time.monotonic()
        self._process = subprocess.Popen(words, stdout=subprocess.DEVNULL,
                                         stderr=subprocess.DEVNULL, env=self._environment)
        try:
            while not self.answers():
                if self._process.poll() is not None:
                    raise BenchError(f"{words[0]} ended: {self._last_words(words)}")
                if time.monotonic() > started + DEADLINE:
                    raise BenchError(f"{words[0]} was not ready within {DEADLINE} s")
                time.sleep(0.002)
        except BaseException:
            self.__exit__()
            raise
        self.ready_ms = (time.monotonic() - started) * 1000
        return self

    def __exit__(self, *_):
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _last_words(self, words):
        """Of a program that ends at its start: it is started once more, to be heard."""
        try:
            run(words, env=self._environment, timeout=DEADLINE)
        except (BenchError, subprocess.TimeoutExpired) as why:
            return str(why).splitlines()[-1]
        return "without a word"

    @property
    def pid(self):
        return self._process.pid

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/api/v1/groups/migrate"

    def answers(self):
        try:
            return self.get("/api/health/ready") == 200
        except OSError:
            return False

    def get(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        finally:
            connection.close()

    def migrate(self, token, group, name, timeout=60):
        """One migration; its status and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request("POST", "/api/v1/groups/migrate", headers={
                "Authorization": "Bearer " + token, "Content-Type": "application/json"},
                body=json.dumps({"registration_group_id": str(group), "group_name": str(name)}))
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def cpu_seconds(self):
        return procfs.cpu_seconds(self.pid)

    def memory_mib(self, field="VmRSS"):
        return procfs.memory_bytes(self.pid, field) / 2**20


def regroup(bench, algorithm="HS256", database="bench", flags=()):
    """A replica with the settings of every measurement; `flags` come last and so win. Nothing is
    given up or answered 202 because of a slow machine: no time decides what is counted. Its log is
    written as in production, at level info, but to nowhere: a disk that it filled would be the
    database's own."""
    words = [bench.binary("app/regroup"), "serve", "--http.port", "{port}",
             "--http.drain_delay", "0s", "--database.url", bench.cluster.url(database),
             "--limits.requests_per_minute", "0",
             "--http.request_timeout", "200s", "--migration.async_after", "190s",
             "--database.lock_timeout", "60s", "--database.statement_timeout", "60s",
             "--database.idle_in_transaction_timeout", "60s", "--log.format", "json", *flags]
    return Program(words, bench.tokens.environment(algorithm))


def echo(bench, status_and_body):
    """Bare RESTinio that answers everything but the probe with this."""
    status, body = status_and_body
    return Program([bench.binary("bench/regroup_bench_echo"), "{port}", status, body])
