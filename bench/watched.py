"""What watching costs the watched: migrations while many streams of events are open, and events for
an endpoint that takes them."""
import contextlib
import hashlib
import http.server
import secrets
import selectors
import socket
import threading

from cluster import WrongCount
from loads import migrate, replicas
from parts import Lane, Part, Ratio

STREAMS = 200


def watched():
    def lane(streams=0, endpoint=False):
        def measure(bench):
            flags = ("--webhooks.allow_private_addresses", "true")
            with contextlib.ExitStack() as stack:
                if endpoint:
                    stack.enter_context(Endpoint(bench))
                [server] = stack.enter_context(replicas(bench, flags=flags))
                if streams:
                    stack.enter_context(Watchers(bench, server, streams))
                groups = bench.fresh(bench.options.groups)
                return migrate(bench, [server], groups)
        return measure
    names = "nobody watches", f"{STREAMS} streams", "one webhook"
    return Part("watched", "Success path while somebody watches", [
        Lane(names[0], lane()), Lane(names[1], lane(STREAMS)),
        Lane(names[2], lane(endpoint=True))], [
            Ratio(f"{names[1]} / {names[0]}", names[1:2], names[:1], goal="≥ 0.95"),
            Ratio(f"{names[2]} / {names[0]}", names[2:], names[:1])])


class Watchers:
    """Open streams, read by one thread: each has to be alive when it is over."""

    def __init__(self, bench, server, count):
        key = "rgk_" + secrets.token_urlsafe(32)
        bench.cluster.sql("bench", "INSERT INTO api_keys (key_hash, key_prefix, name, is_admin) "
                          f"VALUES ('{hashlib.sha256(key.encode()).hexdigest()}', 'rgk_', 'bench', "
                          "true)")
        self._count, self._key, self._port = count, key, server.port
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read)
        self._ended = 0

    def __enter__(self):
        self._sockets = [socket.create_connection(("127.0.0.1", self._port))
                         for _ in range(self._count)]
        for each in self._sockets:
            each.sendall(b"GET /api/admin/v1/migrations/live/events HTTP/1.1\r\nHost: localhost\r\n"
                         b"X-API-Key: " + self._key.encode() + b"\r\n\r\n")
        for each in self._sockets:
            if not each.recv(4096).startswith(b"HTTP/1.1 200"):
                raise WrongCount("a stream of events was expected")
        self._thread.start()
        return self

    def _read(self):
        with selectors.DefaultSelector() as selector:
            for each in self._sockets:
                selector.register(each, selectors.EVENT_READ)
            while not self._stop.is_set():
                for ready, _ in selector.select(timeout=0.1):
                    if not ready.fileobj.recv(65536):
                        self._ended += 1
                        selector.unregister(ready.fileobj)

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()
        for each in self._sockets:
            each.close()
        if self._ended:
            raise WrongCount(f"{self._ended} of {self._count} streams ended too soon")


class Endpoint:
    """Takes every event."""

    def __init__(self, bench):
        class Taker(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self._bench = bench
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Taker)
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self):
        self._thread.start()
        self._bench.cluster.sql("bench", "INSERT INTO regroup_webhook_endpoints (id, url, secret) VALUES "
                                "(gen_random_uuid(), "
                                f"'http://127.0.0.1:{self._server.server_port}/', 'whsec_bench')")
        return self

    def __exit__(self, *_):
        self._bench.cluster.sql("bench", "DELETE FROM regroup_webhook_endpoints; "
                                "DELETE FROM regroup_migration_events;")
        self._server.shutdown()
        self._thread.join()
