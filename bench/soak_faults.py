"""What goes wrong in the soak: a receiver of webhooks that has moods, one hostile user, and the
timetable of both and of all other faults, which is the same in each cycle."""
import http.client
import http.server
import json
import random
import secrets
import socket
import struct
import threading
import time
import uuid

# What happens when, as parts of a cycle. The last part is quiet.
TIMETABLE = {
    "SIGHUP": (0.10, 0.12),
    "receiver refuses": (0.12, 0.24),
    "receiver is slow": (0.24, 0.36),
    "hostile: keys, lists, bodies": (0.36, 0.50),
    "hostile: half-open connections": (0.50, 0.60),
    "logs rotated, their readers stall": (0.60, 0.66),
    "few connections": (0.66, 0.78),
    "quiet": (0.92, 1.00),
}
# Who may see an error 5xx: those who ask while connections are few, or just were.
EXCUSED = "few connections"
GRACE = (5, 15)  # seconds after that, at least and at most


class Receiver(http.server.ThreadingHTTPServer):
    """Takes webhooks at /good always; at /moody it refuses or waits, as its mood is."""
    daemon_threads = True
    request_queue_size = 128

    def __init__(self):
        self.mood, self.good, self.moody = "good", set(), {}
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 60

            def do_POST(self):
                event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status = 200 if self.path == "/good" else receiver.moody_answer()
                if self.path == "/good":
                    receiver.good.add((event["type"], event["data"]["migration_id"]))
                self.send_response(status)
                if status == 503:
                    self.send_header("Retry-After", "2")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def moody_answer(self):
        status = 200
        if self.mood == "receiver refuses":
            status = random.choice((200, 400, 500, 503))
        elif self.mood == "receiver is slow":
            time.sleep(random.random() * 12)  # webhooks.timeout is 10 s
        self.moody[status] = self.moody.get(status, 0) + 1
        return status

    def handle_error(self, *_):
        pass  # the sender had no more patience


class Hostile(threading.Thread):
    """One user with a valid token, and much patience."""

    def __init__(self, room, ledger, stop):
        super().__init__(daemon=True)
        self._room, self._ledger, self._over = room, ledger, stop
        self._token = room.user(1)[1]
        self.mood, self._open = "", []

    def run(self):
        while not self._over.wait(0.05):
            try:
                if self.mood == "hostile: keys, lists, bodies":
                    self._ask(*random.choice((self._key, self._key, self._key, self._key, self._list,
                                              self._list, self._body, self._token_of_none))())
                elif self.mood == "hostile: half-open connections":
                    self._half_open()
                elif self._open:
                    self._let_go()
            except (OSError, http.client.HTTPException):
                pass
        self._let_go()

    def _ask(self, kind, right, headers, body):
        began = time.monotonic()
        status, code = 0, ""
        connection = http.client.HTTPConnection("127.0.0.1", self._room.port, timeout=60)
        try:
            method = "GET" if body is None else "POST"
            path = "/api/admin/v1/migrations" if body is None else "/api/v1/groups/migrate"
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            status = answer.status
            code = (json.loads(answer.read() or b"{}").get("error") or {}).get("code", "")
        except ValueError:
            pass
        finally:
            connection.close()
            # an answer may be lost to a body that its sender was still sending
            self._ledger.add(kind, status, (time.monotonic() - began) * 1000, code,
                             status in (*right, 0))

    def _key(self):
        key = secrets.token_urlsafe(24)
        return "hostile: key", (401, 503), {"X-API-Key": random.choice(("rgk_", "")) + key}, None

    def _headers(self, token=None):
        return {"Authorization": f"Bearer {token or self._token}",
                "Content-Type": "application/json"}

    def _list(self):
        ids = [str(uuid.uuid4()) for _ in range(random.choice((100, 100, 20_000)))]
        return ("hostile: list", (202, 400, 403, 409, 429), self._headers(), json.dumps(
            {"registration_group_id": f"soak-{random.randrange(1000)}", "device_ids": ids}))

    def _body(self):
        return "hostile: body", (400, 413, 429), self._headers(), random.choice((
            "{", "[" * 50_000, "\xff\xfe".encode("latin-1"), '{"registration_group_id": 7}',
            json.dumps({"registration_group_id": "\x00"}), "x" * 2_000_000))

    def _token_of_none(self):
        return ("hostile: token", (401,), self._headers("eyJhbGciOiJub25lIn0.e30."),
                '{"registration_group_id": "soak-1"}')

    def _half_open(self):
        """Half a head, half a body, or nothing; at a replica itself, or at HAProxy."""
        if len(self._open) >= 200:
            return
        port = random.choice((self._room.port, *(each.port for each in self._room.replicas)))
        connection = socket.create_connection(("127.0.0.1", port), 5)
        connection.sendall(random.choice((b"", b"GET / HT", b"POST /api/v1/groups/migrate HTTP/1.1\r\n"
                                          b"Host: localhost\r\nAuthorization: Bearer " +
                                          self._token.encode() + b"\r\nContent-Type: "
                                          b"application/json\r\nContent-Length: 1000\r\n\r\n{")))
        self._open.append(connection)

    def _let_go(self):
        """Half of them by a reset."""
        for number, each in enumerate(self._open):
            if number % 2:
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            each.close()
        self._open = []


class Timetable:
    """Begins and ends the faults of each cycle; `log` has what happened when."""

    def __init__(self, room, ledger, receiver, hostile, pause):
        self._room, self._ledger, self._receiver = room, ledger, receiver
        self._hostile, self._pause = hostile, pause
        self.log = []  # name, begin, end

    def run(self, cycles, seconds, tell):
        """`tell` is called about once a second, and may end it by returning False."""
        steps = sorted((at, ended, name) for name, (begin, end) in TIMETABLE.items()
                       for ended, at in ((False, begin), (True, end)))
        for cycle in range(cycles):
            for at, ended, name in steps:
                until = (cycle + at) * seconds
                while self._ledger.now() < until:
                    time.sleep(max(0, min(1, until - self._ledger.now())))
                    if not tell(cycle):
                        return
                if ended:
                    self.log[:] = [(n, b, self._ledger.now()) if n == name and e is None else
                                   (n, b, e) for n, b, e in self.log]
                else:
                    self.log.append((name, self._ledger.now(), None))
                self._do(name, ended, cycle)

    def _do(self, name, ended, cycle):
        if name.startswith("receiver"):
            self._receiver.mood = "good" if ended else name
        elif name.startswith("hostile"):
            self._hostile.mood = "" if ended else name
        elif name == "SIGHUP" and not ended:
            self._room.write_config(6000 - cycle % 2)
            for each in self._room.replicas:
                each.hang_up()
        elif name.startswith("logs"):
            for each in self._room.replicas:
                (each.read_log_on if ended else each.rotate_log)()
        elif name == "few connections":
            if cycle % 2:
                self._room.limit_pooler(40 if ended else 2)
            else:
                self._room.limit_role(-1 if ended else 3)
        elif name == "quiet":
            (self._pause.clear if ended else self._pause.set)()

    def excused(self, at):
        """Whether an error at this time is of the faults' making."""
        return any(name == EXCUSED and begin <= at <= (end or at) + min(max(
            GRACE[0], (end or at) - begin), GRACE[1]) for name, begin, end in self.log)
