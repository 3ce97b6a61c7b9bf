"""A private PostgreSQL with default durability: fsync and synchronous_commit on, shared_buffers and
the rest as initdb leaves them. A Unix socket only, in a temporary folder on a real disk."""
import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile
import time

import procfs

PROGRAMS = pathlib.Path("/usr/lib/postgresql/15/bin")
ROLE = "regroup"


class BenchError(Exception):
    """The bench cannot go on; the text is one line for the user."""


class WrongCount(BenchError):
    """What was answered is not what the database holds."""


def run(words, **options):
    """Runs a program to its end; its output. Its own words when it fails."""
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True,
                          check=False, **options)
    if done.returncode != 0:
        raise BenchError(f"{pathlib.Path(words[0]).name}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


class Cluster:
    def __init__(self, parent):
        if not (PROGRAMS / "initdb").exists():
            raise BenchError("PostgreSQL 15 is not installed: run scripts/bench")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="regroup-bench-", dir=parent))
        self._identity = {}
        if os.geteuid() == 0:  # PostgreSQL refuses root
            user = pwd.getpwnam("postgres")
            os.chown(self.folder, user.pw_uid, user.pw_gid)
            self._identity = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        self.data = self.folder / "data"
        self.pid = None
        self._wrapped = None
        try:
            self._program("initdb", "-D", self.data, "-U", ROLE, "--auth=trust", "-E", "UTF8",
                          "--locale=C.UTF-8")
            self.begin()
        except BaseException:
            self.stop()
            raise

    def begin(self, *wrapper):
        """Starts the server, under `wrapper` if there is one. Returns when it accepts sessions."""
        settings = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={self.folder}",
                    "-c", "max_connections=200"]
        if not wrapper:
            self._program("pg_ctl", "-D", self.data, "-w", "-l", self.folder / "log", "-o",
                          " ".join(settings), "start")
        else:
            with open(self.folder / "log", "a", encoding="utf-8") as log:
                self._wrapped = subprocess.Popen(
                    [*wrapper, PROGRAMS / "postgres", "-D", self.data, *settings], cwd=self.folder,
                    stdout=log, stderr=log, **self._identity)
            self._program("pg_isready", "-q", "-h", self.folder, "-t", "60", tries=600)
        self.pid = int((self.data / "postmaster.pid").read_text().splitlines()[0])

    def halt(self):
        """Ends the server; begin() starts it again."""
        self._program("pg_ctl", "-D", self.data, "-w", "-t", "120", "-m", "fast", "stop")
        if self._wrapped:
            self._wrapped.wait()
            self._wrapped = None

    def stop(self):
        for _ in range(50):  # a server that is only just starting refuses at first
            if not (self.data / "postmaster.pid").exists():
                break
            try:
                self._program("pg_ctl", "-D", self.data, "-w", "-m", "fast", "stop")
            except BenchError:
                time.sleep(0.1)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _program(self, name, *words, tries=1):
        # pg_ctl's postmaster keeps what it inherits open: no pipe to it, or we would wait for it.
        with open(self.folder / "programs.log", "a+", encoding="utf-8") as log:
            for left in range(tries - 1, -1, -1):
                done = subprocess.run([PROGRAMS / name, *words], cwd=self.folder, stdout=log,
                                      stderr=log, check=False, **self._identity)
                if done.returncode == 0 or not left:
                    break
                time.sleep(0.1)
        if done.returncode != 0:
            lines = (self.folder / "programs.log").read_text().strip().splitlines()
            raise BenchError(f"{name}: {lines[-1] if lines else 'failed'}")

    def url(self, database):
        return f"host={self.folder} dbname={database} user={ROLE}"

    def psql(self, database):
        """The words that start a psql on the database: no start-up file, bare output."""
        return [PROGRAMS / "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", self.url(database)]

    def sql(self, database, text):
        """Runs SQL, each statement by itself; the output's lines."""
        return run(self.psql(database), input=text).splitlines()

    def number(self, database, query):
        return int(self.sql(database, query)[-1])

    def hold(self, database, text):
        """A session that runs `text` in a transaction and keeps it open until close()."""
        return Held(self.psql(database), text)

    def cpu_seconds(self):
        return procfs.family_cpu_seconds(self.pid)

    def transactions(self, database):
        """Ended ones, so far: those of this question included."""
        return self.number(database, "SELECT pg_stat_clear_snapshot(); SELECT xact_commit + "
                           f"xact_rollback FROM pg_stat_database WHERE datname = '{database}'")


class Held:
    def __init__(self, words, text):
        self._psql = subprocess.Popen([str(word) for word in words], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, text=True)
        self._psql.stdin.write(f"BEGIN;\n{text};\n\\echo held\n")
        self._psql.stdin.flush()
        for line in self._psql.stdout:
            if line.strip() == "held":
                return
        raise BenchError("the session that should hold a lock has ended")

    def close(self):
        """Rolls back and ends the session."""
        self._psql.stdin.close()
        self._psql.wait()
        self._psql.stdout.close()
