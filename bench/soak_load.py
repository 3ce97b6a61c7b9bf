"""The load of the soak: users who do what users do, streams, and a ledger of every answer."""
import collections
import http.client
import json
import random
import socket
import threading
import time
import uuid

PATIENCE = 60  # seconds, for an answer
Answer = collections.namedtuple("Answer", "at kind status ms code expected")


class Ledger:
    """Every answer: when, of what kind, and whether it was one of those that are right there."""

    def __init__(self):
        self.began = time.monotonic()
        self.answers, self.committed = [], set()
        self._lock = threading.Lock()

    def now(self):
        return time.monotonic() - self.began

    def add(self, kind, status, ms, code="", expected=True):
        with self._lock:
            self.answers.append(Answer(self.now(), kind, status, ms, code, expected))


class Client:
    """One connection, kept open; a request at a time."""

    def __init__(self, ledger, port):
        self._ledger, self._port, self._connection = ledger, port, None

    def close(self):
        if self._connection:
            self._connection.close()
        self._connection = None

    def ask(self, kind, method, path, body=None, right=(200,), **headers):
        """Status and body; 0 where no answer came."""
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        text = None if body is None else json.dumps(body)
        if text is not None:
            headers["Content-Type"] = "application/json"
        began = time.monotonic()
        try:
            if self._connection is None:
                self._connection = http.client.HTTPConnection("127.0.0.1", self._port,
                                                              timeout=PATIENCE)
            self._connection.request(method, path, text, headers)
            answer = self._connection.getresponse()
            status, content = answer.status, answer.read()
            if answer.will_close:
                self.close()
        except (OSError, http.client.HTTPException) as why:
            self.close()
            status, content = 0, json.dumps({"error": {"code": repr(why)}}).encode()
        ms = (time.monotonic() - began) * 1000
        try:
            content = json.loads(content)
        except ValueError:
            content = {}
        error = content.get("error") or {} if isinstance(content, dict) else {}
        code = error.get("code", "HAProxy's own" if status >= 500 else "")
        self._ledger.add(kind, status, ms, code, status in right)
        return status, content


class Stories(threading.Thread):
    """Users one after the other, each a new one with a registration group of their own."""

    def __init__(self, room, ledger, stop, first, step, every):
        super().__init__(daemon=True)
        self._room, self._ledger, self._over, self._every = room, ledger, stop, every
        self._first, self._step = first, step
        self._client = Client(ledger, room.port)
        self._dice = random.Random(first)

    def run(self):
        number, due = self._first, time.monotonic() + self._dice.random() * self._every
        while not self._over.wait(max(0.0, due - time.monotonic())):
            due = max(due + self._every, time.monotonic())
            self._story(number)
            number += self._step
        self._client.close()

    def _story(self, number):
        user, token = self._room.user(number)
        del user
        bearer = {"Authorization": f"Bearer {token}"}
        ask, group = self._client.ask, f"soak-{number}"
        devices = [str(uuid.UUID(int=self._dice.getrandbits(128))) for _ in range(4)]
        for device in devices:
            ask("register", "POST", "/api/v1/devices/register",
                {"device_id": device, "display_name": "Phone", "group_id": group,
                 "platform": "android"}, (200, 201), **bearer)
        wanted = {"registration_group_id": group, "group_name": f"Group {number}"}
        if number % 3 == 0:
            wanted["device_ids"] = devices[:2]
        ask("dry run", "POST", "/api/v1/groups/migrate?dry_run=true", wanted, **bearer)
        held = None
        if number % 20 == 7:  # so that it takes long, is answered 202, and its progress is a stream
            held = self._room.cluster.hold("soak", "SELECT FROM devices WHERE device_id = "
                                           f"'{devices[0]}' FOR UPDATE")
            threading.Timer(0.8, held.close).start()
        status, done = ask("migrate" if not held else "migrate, held up", "POST",
                           "/api/v1/groups/migrate", wanted, (201, 202), **bearer)
        if status == 202:
            done = self._follow(done["migration_id"], bearer)
        if not done or "authenticated_group_id" not in done:
            return
        self._ledger.committed.add(done["migration_id"])
        self._look_after(number, done, devices, wanted, bearer)

    def _follow(self, migration, bearer):
        path = f"/api/v1/groups/migrations/{migration}"
        for _ in range(20):
            self._client.ask("progress", "GET", path, Accept="text/event-stream", **bearer)
            status, state = self._client.ask("status", "GET", path, **bearer)
            if status == 200 and state.get("status") == "completed":
                return state.get("result") or state
            if status == 200 and state.get("status") == "failed":
                return None
            time.sleep(0.2)
        self._ledger.add("progress", 0, 0, "a migration that was answered 202 does not end", False)
        return None

    def _look_after(self, number, done, devices, wanted, bearer):
        ask, group = self._client.ask, f"/api/v1/groups/{done['authenticated_group_id']}"
        ask("status", "GET", f"/api/v1/groups/migrations/{done['migration_id']}", **bearer)
        ask("migrate again", "POST", "/api/v1/groups/migrate", wanted, (202, 409), **bearer)
        ask("group's devices", "GET", f"{group}/devices", **bearer)
        ask("group's members", "GET", f"{group}/members", **bearer)
        ask("my groups", "GET", "/api/v1/groups", **bearer)
        ask("my devices", "GET", "/api/v1/devices/me", **bearer)
        if number % 3 == 1:
            ask("bulk remove", "POST", f"{group}/devices/bulk-remove", {"device_ids": devices[:1]},
                **bearer)
            ask("bulk add", "POST", f"{group}/devices/bulk-add", {"device_ids": devices[:1]},
                **bearer)
        else:
            ask("undo", "POST", f"{group}/rollback", {}, **bearer)
        if number % 4 == 0:
            key = {"X_API_Key": self._room.key}
            ask("history", "GET", "/api/admin/v1/migrations?limit=20", **key)
            ask("timeline", "GET", f"/api/admin/v1/migrations/{done['migration_id']}", **key)
        if number % 40 == 0:
            ask("analytics", "GET", "/api/admin/v1/analytics/migrations", **key)


class Probe(threading.Thread):
    """Asks one replica itself, once a second, for what takes one trip to the database."""

    def __init__(self, room, replica, ledger, stop):
        super().__init__(daemon=True)
        self._client, self._over = Client(ledger, replica.port), stop
        self._kind, self._token = f"probe {replica.number}", room.user(0)[1]

    def run(self):
        while not self._over.wait(1):
            self._client.ask(self._kind, "GET", "/api/v1/devices/me",
                             Authorization=f"Bearer {self._token}")
        self._client.close()


class Streams(threading.Thread):
    """Opens a stream of what runs, reads some seconds, and closes it; none while `pause` is set."""

    def __init__(self, room, ledger, stop, pause, seed):
        super().__init__(daemon=True)
        self._room, self._ledger, self._over, self._pause = room, ledger, stop, pause
        self._dice = random.Random(seed)

    def run(self):
        while not self._over.wait(self._dice.random() * 2):
            if self._pause.is_set():
                continue
            began = time.monotonic()
            status, code = 0, ""
            try:
                with socket.create_connection(("127.0.0.1", self._room.port), 10) as stream:
                    stream.sendall(b"GET /api/admin/v1/migrations/live/events HTTP/1.1\r\n"
                                   b"Host: localhost\r\nX-API-Key: " + self._room.key.encode() +
                                   b"\r\n\r\n")
                    head = stream.recv(4096)
                    status = int(head.split()[1]) if head else 0
                    ms = (time.monotonic() - began) * 1000
                    stream.settimeout(1)
                    self._read(stream, began + 2 + self._dice.random() * 8)
            except OSError as why:
                ms, code = (time.monotonic() - began) * 1000, repr(why)
            self._ledger.add("stream", status, ms, code, status == 200)

    def _read(self, stream, until):
        while time.monotonic() < until and not (self._over.is_set() or self._pause.is_set()):
            try:
                if not stream.recv(65536):
                    return
            except TimeoutError:
                pass
