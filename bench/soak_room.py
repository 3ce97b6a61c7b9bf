"""Where the soak takes place: PostgreSQL, PgBouncer in transaction mode, three replicas, HAProxy."""
import http.client
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time

from cluster import BenchError, Cluster, run
from service import free_port
from tokens import Tokens, owner
from world import ROOT

USERS = 30_000
ROLE = "soak"  # not a superuser: a limit of connections holds for it
DATABASE = "soak"
DEADLINE = 30  # seconds, for anything to start or stop
LOG_BYTES = 1 << 20  # then the log's reader begins another file


def await_(what, condition, deadline=DEADLINE):
    until = time.monotonic() + deadline
    while True:
        try:
            if condition():
                return
        except OSError:
            pass
        if time.monotonic() > until:
            raise BenchError(f"{what} within {deadline} s: no")
        time.sleep(0.05)


def status_of(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


class LogReader(threading.Thread):
    """Reads a replica's log from a pipe into files, a new one for each MiB, and stalls when asked."""

    def __init__(self, pipe, path):
        super().__init__(daemon=True)
        self.stalled = threading.Event()
        self._pipe, self._path = pipe, path
        self.start()

    def run(self):
        size, file = 0, open(self._path, "wb")
        while chunk := os.read(self._pipe.fileno(), 65536):
            file.write(chunk)
            size += len(chunk)
            if size > LOG_BYTES:
                file.close()
                self._path.rename(f"{self._path}.1")
                size, file = 0, open(self._path, "wb")
            while self.stalled.is_set():
                time.sleep(0.05)
        file.close()


class Replica:
    """The log of the last replica goes to a file, which is copied and cut; of the others to a reader."""

    def __init__(self, number, words, environment, folder, to_file):
        self.number, self.port = number, free_port()
        self.log = folder / f"replica{number}.log"
        words = [*words, "--http.port", str(self.port)]
        if to_file:
            with open(self.log, "ab") as file:
                self._process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=file,
                                                 env=environment)
            self._reader = None
        else:
            self._process = subprocess.Popen(words, stdout=subprocess.DEVNULL,
                                             stderr=subprocess.PIPE, env=environment)
            self._reader = LogReader(self._process.stderr, self.log)

    @property
    def pid(self):
        return self._process.pid

    def runs(self):
        return self._process.poll() is None

    def hang_up(self):
        self._process.send_signal(signal.SIGHUP)

    def rotate_log(self):
        """Stalls the reader, until told otherwise; or copies and cuts the file."""
        if self._reader:
            self._reader.stalled.set()
        else:
            shutil.copyfile(self.log, f"{self.log}.1")
            os.truncate(self.log, 0)

    def read_log_on(self):
        if self._reader:
            self._reader.stalled.clear()

    def stop(self):
        self.read_log_on()
        end(self._process)


def end(process):
    process.terminate()
    try:
        process.wait(DEADLINE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Room:
    def __init__(self, build, logs):
        self.program = build / "app" / "regroup"
        if not self.program.exists():
            raise BenchError(f"{self.program} is not built: run scripts/soak")
        self._undo = []
        logs.mkdir(parents=True, exist_ok=True)
        try:
            self._start(logs)
        except BaseException:
            self.close()
            raise

    def close(self):
        while self._undo:
            self._undo.pop()()

    def _start(self, logs):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="regroup-soak-"))
        self._undo.append(lambda: shutil.rmtree(self.folder, ignore_errors=True))
        self.cluster = Cluster("/var/tmp")
        self._undo.append(self.cluster.stop)
        self.cluster.sql("postgres", f"CREATE ROLE {ROLE} LOGIN; "
                         f"CREATE DATABASE {DATABASE} OWNER {ROLE};")
        self._start_pooler()
        self.config = self.folder / "regroup.toml"
        self.write_config(6000)
        self.tokens = Tokens(self.folder)
        environment = {**os.environ, **self.tokens.environment("HS256"), "REGROUP_DATABASE_URL":
                       f"host=127.0.0.1 port={self.pooler_port} user={ROLE} dbname={DATABASE}"}
        run([self.program, "schema", "apply", "--config", self.config], env=environment)
        self.sql(f"INSERT INTO users (id) SELECT lpad(i::text, 32, '0')::uuid "
                 f"FROM generate_series(0, {USERS - 1}) i")
        self.key = run([self.program, "api-key", "create", "--name", "soak", "--admin",
                        "--config", self.config], env=environment).split()[0]
        words = [str(self.program), "serve", "--config", str(self.config), "--log.format", "json",
                 "--webhooks.allow_private_addresses", "true", "--migration.async_after", "300ms"]
        self.replicas = []
        for number in (1, 2, 3):
            self.replicas.append(Replica(number, words, environment, logs, number == 3))
            self._undo.append(self.replicas[-1].stop)
        for each in self.replicas:
            await_(f"replica {each.number} is ready",
                   lambda each=each: status_of(each.port, "/api/health/ready") == 200)
        self._start_balancer()

    def _start_pooler(self):
        self.pooler_port = free_port()
        self._pooler_file = self.cluster.folder / "pgbouncer.ini"
        self.limit_pooler(40)
        words = ["pgbouncer", "-q", str(self._pooler_file)]
        if os.geteuid() == 0:  # it refuses root
            words[1:1] = ["-u", "postgres"]
        self._pooler = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._undo.append(lambda: end(self._pooler))

    def limit_pooler(self, connections):
        """How many connections it makes to the database."""
        self._pooler_file.write_text(
            f"[databases]\n* = host={self.cluster.folder} port=5432\n[pgbouncer]\n"
            f"listen_addr = 127.0.0.1\nlisten_port = {self.pooler_port}\nunix_socket_dir =\n"
            "auth_type = trust\nauth_file = " f"{self.cluster.folder}/users.txt\n"
            f"pool_mode = transaction\nmax_client_conn = 200\ndefault_pool_size = {connections}\n"
            "server_idle_timeout = 5\nserver_login_retry = 1\n"
            f"logfile = {self.cluster.folder}/pgbouncer.log\n")
        (self.cluster.folder / "users.txt").write_text(f'"{ROLE}" ""\n')
        if hasattr(self, "_pooler"):
            self._pooler.send_signal(signal.SIGHUP)

    def limit_role(self, connections):
        """How many connections the database takes from the service's role; those beyond end."""
        self.sql(f"ALTER ROLE {ROLE} CONNECTION LIMIT {connections}")
        if connections >= 0:
            self.sql("SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM "
                     f"pg_stat_activity WHERE usename = '{ROLE}' OFFSET {connections}) beyond")

    def _start_balancer(self):
        self.port = free_port()
        text = (ROOT / "deploy" / "haproxy.cfg").read_text()
        for old, new in zip((8080, 8081, 8082, 8083),
                            (self.port, *(each.port for each in self.replicas))):
            text = re.sub(rf"127\.0\.0\.1:{old}$", f"127.0.0.1:{new}", text, flags=re.M)
        path = self.folder / "haproxy.cfg"
        path.write_text(text)
        balancer = subprocess.Popen(["haproxy", "-db", "-f", str(path)],
                                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._undo.append(lambda: end(balancer))
        await_("HAProxy has replicas", lambda: status_of(self.port, "/api/health/ready") == 200)

    def write_config(self, requests_per_minute):
        self.config.write_text(f"[limits]\nrequests_per_minute = {requests_per_minute}\n")

    def sql(self, text):
        return self.cluster.sql(DATABASE, text)

    def user(self, index):
        """A user's id and token."""
        return owner(index), self.tokens.of_first(USERS, "HS256")[index]
