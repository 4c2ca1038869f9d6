"""Twenty thousand requests at random: what the siblings and clients do leaves nothing behind."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import math
import random
import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.raw import Client, chunked, request
from tests.running import Answer, Project, Serve, Server, until
from tests.serving import chance
from tests.serving.siblings import BREAKS_WSGI, FAILURES, GATED, RAISES, Gate

REQUESTS = 20_000
PARTS = 4
CLIENTS = 12
SLOTS, THREADS = 16, 64
MAX_BODY = 50_000

OPERATOR = f"""
    [host]
    slots = {SLOTS}
    threads = {THREADS}
    [host.limits]
    max_body = {MAX_BODY}
    [mounts.slow.limits]
    deadline = 0.1
    stream_deadline = 0.1
    [mounts.plain.limits]
    deadline = 0.1
    stream_deadline = 0.1
    [mounts.hung.limits]
    queue_timeout = 600.0
    deadline = 0.0
    [mounts.stuck.limits]
    queue_timeout = 600.0
    deadline = 0.0
"""

WELL = """
    import gc
    import logging
    import sys
    import threading

    from flask import Flask, Response, request, send_file
    from config import configure_app

    def create_app(overrides=None):
        app = Flask(__name__)
        configure_app(app, overrides)
        app.add_url_rule("/", "index", lambda: "well")
        app.add_url_rule("/large", "large", lambda: bytes(300_000))
        app.add_url_rule("/stream", "stream", lambda: Response(b"chunk" for _ in range(20)))
        app.add_url_rule("/file", "file", lambda: send_file(__file__, mimetype="text/plain"))

        @app.post("/echo")
        def echo():
            return request.get_data()

        @app.get("/threads")
        def threads():
            return [thread.name for thread in threading.enumerate()]

        @app.get("/memory")
        def memory():
            gc.collect()
            exchanges = sum(type(each).__name__ == "Exchange" for each in gc.get_objects())
            return {"exchanges": exchanges, "blocks": sys.getallocatedblocks()}

        @app.get("/log/<word>")
        def log(word):
            known = logging.root.manager.loggerDict.items()
            names = [name for name, logger in known if isinstance(logger, logging.Logger)]
            for name in names:
                logging.getLogger(name).critical(word)
            logging.root.critical(word)
            return [*names, "root"]

        return app
"""
SLOW = """
    import colorsys
    import importlib
    import logging
    import os
    import socket
    import time

    from flask import Flask, Response
    from config import configure_app

    own = logging.getLogger("slow.own")
    own.propagate = False
    own.addHandler(logging.FileHandler(os.devnull))

    def spin():
        while True:
            time.sleep(0.005)

    def burn():
        while True:
            pass

    def near(seconds=0.1):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            pass

    def blocked():
        reading, writing = socket.socketpair()
        reading.settimeout(0.25)
        reading.recv(1)

    def swallow():
        try:
            spin()
        except BaseException:
            near(0.02)

    def logs():
        while True:
            own.warning("one of many")
            near(0.02)  # where it can be interrupted

    class Late:
        def __str__(self):
            near(0.3)  # called by the standard library, where nothing is interrupted
            return "late"

    def told():
        logging.getLogger("slow.told").warning("%s", Late())

    def imports():
        while True:
            importlib.reload(colorsys)
            near(0.02)

    def asleep():
        time.sleep(0.3)

    STEPS = [spin, burn, near, blocked, swallow, logs, told, imports, asleep]

    class Body:
        def __init__(self, step, where):
            self.chunks, self.step, self.where = iter(["one", "two"]), step, where

        def __iter__(self):
            return self

        def __next__(self):
            chunk = next(self.chunks)
            if chunk == self.where:
                self.step()
            return chunk.encode()

        def close(self):
            if self.where == "close":
                self.step()

    def create_app(overrides=None):
        app = Flask(__name__)
        configure_app(app, overrides)

        def answer(step, where):
            if where == "view":
                step()
            return Response(Body(step, where))

        for step in STEPS:
            app.add_url_rule(
                f"/{step.__name__}/<where>", step.__name__, answer, defaults={"step": step}
            )
        return app
"""
PLAIN = (
    SLOW.replace("def create_app(", "def unused(")
    + """
    def application(environ, start_response):
        _, name, where = environ["PATH_INFO"].split("/")
        step = globals()[name]
        if where == "view":
            step()
        start_response("200 OK", [("Content-Type", "text/plain")])
        return Body(step, where)
"""
)
STEPS = {
    **{"spin": 6, "burn": 1, "near": 6, "blocked": 3, "swallow": 2, "logs": 2, "told": 1},
    **{"imports": 1, "asleep": 2},
}


class Visitor:
    """A client that does one thing after the other, by random numbers of its own."""

    def __init__(self, port: int, seed: str, given_up: threading.Event) -> None:
        self.port, self.given_up = port, given_up
        self.random = random.Random(seed)
        self.outcomes: Counter[str] = Counter()
        self._kept: Client | None = None
        self._kept_at = 0.0
        self._readers: list[Client] = []
        self.last = b""

    def visit(self, requests: int) -> Counter[str]:
        actions, weights = zip(*ACTIONS, strict=True)
        for number in range(requests):
            [action] = self.random.choices(actions, weights)
            if self.given_up.is_set():
                break
            try:
                outcome = action(self)
            except BaseException as error:
                self.given_up.set()
                error.add_note(f"in request {number}, {action.__name__}, {self.last!r}")
                raise
            self.outcomes[f"{action.__name__}: {outcome}"] += 1
        for reader in self._readers:
            reader.reset()
        self._drop()
        return self.outcomes

    def ask(self, *sent: bytes, method: str = "GET") -> Answer:
        """Send one request on a connection that may have had others before; return its answer."""
        # A server may close a connection that is idle: one that was, is not used again.
        if self._kept and (time.monotonic() - self._kept_at > 1 or self.random.random() < 0.2):
            self._drop()
        self.last = sent[0][:100]
        if self._kept is None:
            self._kept = Client(self.port)
        try:
            answer = self._kept.send(*sent).answer(method)
        except BaseException:
            self._drop()
            raise
        self._kept_at = time.monotonic()
        if answer.headers["Connection"] == "close":
            self._drop()
        return answer

    def _drop(self) -> None:
        if self._kept:
            self._kept.socket.close()
            self._kept = None

    # What it does, one method each. Returns what came of it.

    def is_served(self) -> str:
        """A neighbour answers, in whatever way it is asked."""
        body = self.random.randbytes(self.random.randrange(MAX_BODY)).hex()[:MAX_BODY].encode()
        half = len(body) // 2
        fields = ["Connection: close"] if self.random.random() < 0.1 else []
        path, sent, expected = self.random.choice(
            [
                ("/", b"", "well"),
                ("/large", b"", "\0" * 300_000),
                ("/stream", b"", "chunk" * 20),
                ("/file", b"", None),
                ("/echo", body, body.decode()),
                ("/echo", chunked(body[:half], body[half:]), body.decode()),
            ]
        )
        if sent and sent is not body:
            fields.append("Transfer-Encoding: chunked")
        elif sent:
            fields.append(f"Content-Length: {len(sent)}")
        version = self.random.choice(["1.1", "1.1", "1.1", "1.0"]) if not sent else "1.1"
        method = "POST" if sent or path == "/echo" else "GET"
        answer = self.ask(
            request(f"/well{path}", method, *fields, body=sent, version=version), method=method
        )
        assert answer.status == 200, (path, answer)
        assert expected is None or answer.text == expected, (path, answer.text[:100])
        return "200"

    def is_live(self) -> str:
        page = self.random.choice(["live", "ready"])
        answer = self.ask(request(f"/-/{page}"))
        assert answer.status == 200
        return "200"

    def sees_a_failure(self) -> str:
        failure = self.random.choice(FAILURES)
        where = self.random.choice(["call", "started", "first", "later", "close"])
        if failure == "StopIteration" and where in ("call", "first", "later"):
            where = "started"  # there it is the end of the body, or of a WebSocket
        length = self.random.choice(["", "?length"])
        version = self.random.choice(["1.1", "1.1", "1.0"])
        asked = request(f"/raises/{failure}/{where}{length}", version=version)
        try:
            answer = self.ask(asked)
        except (http.client.IncompleteRead, ConnectionResetError) as cut:
            assert where == "later", asked
            return type(cut).__name__
        assert answer.status == (200 if where == "close" else 500), asked
        return str(answer.status)

    def sees_wsgi_broken(self) -> str:
        fault = self.random.choice(BREAKS)
        answer = self.ask(request(f"/breaks/{fault}"))
        assert answer.status == 500, fault
        return "500"

    def waits(self) -> str:
        mount = self.random.choice(["slow", "plain"])
        [step] = self.random.choices(list(STEPS), list(STEPS.values()))
        where = self.random.choice(["view", "view", "one", "two", "close"])
        try:
            answer = self.ask(request(f"/{mount}/{step}/{where}"))
        except http.client.IncompleteRead:
            return "cut"
        assert answer.status in (200, 500, 504), (step, where, answer)
        return str(answer.status)

    def sends_too_much(self) -> str:
        body, rest = bytes(MAX_BODY), self.random.choice([b"", b"0\r\n\r\n"])
        with Client(self.port) as client:
            if self.random.random() < 0.5:
                too_much = chunked(body, bytes(5_000))[: -len(b"0\r\n\r\n")] + rest
                client.send(
                    request("/well/echo", "POST", "Transfer-Encoding: chunked", body=too_much)
                )
            else:
                client.send(request("/well/echo", "POST", f"Content-Length: {MAX_BODY + 1}"))
            answer = client.answer("POST")
        assert answer.status == 413
        return "413"

    def goes_away(self) -> str:
        """Leave in the middle of a request, of its body or of the response."""
        sent = self.random.choice(
            [
                request("/well/")[: self.random.randrange(1, 20)],
                request("/well/echo", "POST", "Content-Length: 5000", body=bytes(700)),
                request(
                    "/well/echo", "POST", "Transfer-Encoding: chunked", body=b"ff\r\nnot so many"
                ),
                request("/well/large"),
                request("/well/stream"),
                request("/well/file"),
                request(f"/slow/{self.random.choice(['spin', 'near'])}/one"),
                request("/raises/ValueError/later"),
                request("/raises/ValueError/call"),
            ]
        )
        with Client(self.port, buffer=4096) as client:
            client.send(sent)
            if self.random.random() < 0.5 and b"large" in sent:
                client.reader.read(1000)
            if self.random.random() < 0.5:
                client.reset()
        return "gone"

    def reads_slowly(self) -> str:
        if len(self._readers) == 2:
            reader = self._readers.pop(0)
            if self.random.random() < 0.5:
                reader.reset()
                return "gone"
            with reader, contextlib.suppress(OSError, http.client.HTTPException):
                reader.answer()
            return "read"
        reader = Client(self.port, buffer=4096)
        self._readers.append(reader.send(request("/files/large")))
        return "begun"

    def talks_nonsense(self) -> str:
        with Client(self.port) as client:
            client.send(
                self.random.choice(
                    [
                        b"\r\n\r\n",
                        b"GET\r\n\r\n",
                        b"GET / HTTP/9.9\r\n\r\n",
                        request(
                            "/well/echo", "POST", "Transfer-Encoding: chunked", body=b"xyz\r\n"
                        ),
                        request("/well/echo", "POST", f"Content-Length: {'9' * 5000}"),
                        request("/well/", "GET", "X: \0"),
                        bytes(range(256)),
                    ]
                )
            )
            with contextlib.suppress(OSError, http.client.HTTPException):
                return str(client.answer().status)
        return "closed"


EXPECTED = {
    *("is_served: 200", "is_live: 200", "goes_away: gone", "sends_too_much: 413"),
    *("sees_a_failure: 200", "sees_a_failure: 500", "sees_wsgi_broken: 500"),
    *("sees_a_failure: ConnectionResetError", "sees_a_failure: IncompleteRead"),
    *("waits: 200", "waits: 504", "waits: cut"),
    *("reads_slowly: begun", "reads_slowly: gone", "reads_slowly: read"),
}
BREAKS = re.findall(r'^        "(\w+)":', BREAKS_WSGI, re.MULTILINE)
Action = Callable[[Visitor], str]
ACTIONS: list[tuple[Action, int]] = [
    (Visitor.is_served, 400),
    (Visitor.is_live, 20),
    (Visitor.sees_a_failure, 250),
    (Visitor.sees_wsgi_broken, 80),
    (Visitor.waits, 80),
    (Visitor.sends_too_much, 50),
    (Visitor.goes_away, 100),
    (Visitor.reads_slowly, 10),
    (Visitor.talks_nonsense, 10),
]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Figures:
    """What a worker has when all requests are over."""

    rss: float
    """MB"""
    threads: int
    files: int
    exchanges: int
    """Requests of which anything is left in memory."""
    blocks: int
    """Pieces of memory that Python objects have."""

    @classmethod
    def of(cls, server: Server, worker: int) -> Figures:
        memory: dict[str, int] = server.get("/well/memory").json
        status = Path(f"/proc/{worker}/status").read_text()
        found = dict(re.findall(r"^(VmRSS|Threads):\s+(\d+)", status, re.MULTILINE))
        return cls(
            rss=int(found["VmRSS"]) / 1024,
            threads=int(found["Threads"]),
            files=len(list(Path(f"/proc/{worker}/fd").iterdir())),
            **memory,
        )


def loads(server: Server) -> dict[str, tuple[int, int, int]]:
    """Return what each mount runs, has parked, and holds of threads."""
    mounts = server.get("/-/ready").json["mounts"].items()
    return {name: (told["running"], told["parked"], told["threads"]) for name, told in mounts}


def is_at_rest(server: Server) -> bool:
    return set(loads(server).values()) == {(0, 0, 0)}


@pytest.fixture
def server(project: Project, serve: Serve) -> Server:
    project.app("well", WELL)
    project.app("slow", SLOW)
    for name, code in {"plain": PLAIN, "raises": RAISES, "breaks": BREAKS_WSGI}.items():
        project.app(name, code, f"app = 'apps.{name}:application'\n")
    for name in ("hung", "stuck", "files"):
        project.app(name, GATED)
    project.operator(OPERATOR)
    # malloc keeps what is free: in an arena for each of many threads, and large pieces as well.
    # What grows regardless is held.
    server = serve(environ={"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "65536"})
    assert set(server.states().values()) == {"up"}
    return server


@pytest.mark.slow
def test_a_soak_leaves_nothing_behind(server: Server, gate: Gate) -> None:
    seed = chance.seed()
    [worker] = server.workers()
    begun = time.monotonic()
    outcomes: Counter[str] = Counter()
    figures = [Figures.of(server, worker)]
    given_up = threading.Event()
    for part in range(PARTS):
        visitors = [Visitor(server.port, f"{seed} {part} {n}", given_up) for n in range(CLIENTS)]
        share = math.ceil(REQUESTS / PARTS / CLIENTS)
        with ThreadPoolExecutor(CLIENTS) as pool:
            for outcome in pool.map(Visitor.visit, visitors, [share] * CLIENTS):
                outcomes += outcome
        until(lambda: is_at_rest(server), "every counter is back to zero")
        figures.append(Figures.of(server, worker))
    seconds = time.monotonic() - begun
    print(f"{sum(outcomes.values())} requests in {seconds:.0f} s, after each quarter:")
    print(*figures, sep="\n")
    print(*(f"{count:6} {outcome}" for outcome, count in sorted(outcomes.items())), sep="\n")

    assert outcomes.keys() >= EXPECTED
    # Nothing is left of any request but the one that counts them, and memory is level.
    assert {after.exchanges for after in figures} == {1}
    half, end = figures[PARTS // 2], figures[PARTS]
    # They go up and down by some 3,000 (what the telemetry has at hand). What each request leaves
    # behind, or every second one, shows.
    assert end.blocks < half.blocks + REQUESTS // 4
    assert end.rss < half.rss * 1.05
    until(lambda: Figures.of(server, worker).files <= figures[0].files + 3, "files are closed")
    # It is the worker that was started, and neither gunicorn nor the watchdog has met a failure.
    assert server.workers() == {worker}
    said = server.entries()
    assert sum(entry["message"].startswith("Booting worker") for entry in said) == 1
    assert not [each for each in said if each["logger"] == "gunicorn.error" and is_error(each)]
    assert "the watchdog stumbled" not in server.lines()
    # What the walls have told is of those that live badly.
    walls = [each["app"] for each in said if ".walls." in each["logger"]]
    assert set(walls) == {"raises", "breaks", "slow", "plain"}
    every_logger_still_logs(server)
    every_thread_still_serves(server, gate)
    assert server.workers() == {worker}


def is_error(entry: dict[str, Any]) -> bool:
    return entry["level"] in ("error", "critical")


def every_logger_still_logs(server: Server) -> None:
    """None of the locks of loggers and handlers is still held, and none is switched off."""
    names = server.get("/well/log/marker").json
    assert {"root", "apps.well", "gunicorn.error", "gunicorn.access", "slow.own"} <= set(names)
    written = {each["logger"] for each in server.entries() if each["message"] == "marker"}
    assert written == set(names) - {"slow.own"}  # which writes elsewhere


def every_thread_still_serves(server: Server, gate: Gate) -> None:
    """As many requests as there are threads are under way at once, and end well."""
    with contextlib.ExitStack() as stack:
        clients = []
        for name, count, load in (("hung", 48, (12, 36, 48)), ("stuck", 12, (3, 9, 12))):
            for number in range(count):
                client = stack.enter_context(Client(server.port))
                clients.append(client.send(request(f"/{name}/wait/{number}")))
            until(lambda name=name, load=load: loads(server)[name] == load, "all are there")  # type: ignore[misc]
        assert server.get("/well/").text == "well"
        gate.open(len(clients))
        assert {client.answer().status for client in clients} == {200}
    until(lambda: is_at_rest(server), "all is given back")
    names = server.get("/well/threads").json
    pool = [name for name in names if name.startswith("rowhouse-pool")]
    assert len(pool) <= THREADS
    others = [name for name in names if name not in pool and name != "rowhouse-log"]
    assert sorted(others) == sorted(set(others)), "one of each"
    assert set(others) <= {
        *("MainThread", "rowhouse-watchdog", "rowhouse-builder", "rowhouse-sampler"),
        *("rowhouse-checks", "rowhouse-inspection", "rowhouse-telemetry", "rowhouse-fairness"),
    }
