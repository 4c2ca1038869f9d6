"""Metrics of a real gunicorn are exact: each answer that a client has is counted, and only once."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import itertools
import os
import signal
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.raw import Client, request
from tests.running import PATIENCE, Project, Serve, Server, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

REQUESTS = 10_000
CLIENTS = 8


class Key(NamedTuple):
    """Labels of ``rowhouse_requests_total``."""

    app: str
    method: str
    status: str


Series = dict[tuple[str, frozenset[tuple[str, str]]], float]

SHOP = """
    from flask import Flask, abort
    from config import configure_app

    def create_app(overrides=None):
        app = Flask(__name__)
        configure_app(app, overrides)

        @app.get("/")
        def index():
            return "shop"

        @app.post("/")
        def made():
            return "made", 201

        @app.get("/lost")
        def lost():
            abort(404)

        @app.get("/fails")
        def fails():
            return 1 / 0

        @app.delete("/")
        def deleted():
            return "", 204

        return app
"""

PLAIN = """
    def create_app():
        def app(environ, start_response):
            if environ["PATH_INFO"] == "/stream":
                start_response("200 OK", [])
                return iter([b"in", b"chunks"])
            if environ["PATH_INFO"] == "/raises":
                raise RuntimeError("as it likes to")
            if environ["PATH_INFO"] == "/written":
                write = start_response("200 OK", [("Content-Length", "7")])
                write(b"written")
                return []
            start_response("200 OK", [("Content-Length", "5")])
            return [b"pl", b"ain"]
        return app
"""

PLAN: list[tuple[str, str, Key]] = [
    ("GET", "/shop/", Key("shop", "GET", "200")),
    ("GET", "/plain/stream", Key("plain", "GET", "200")),
    ("POST", "/shop/", Key("shop", "POST", "201")),
    ("GET", "/shop/lost", Key("shop", "GET", "404")),
    ("GET", "/plain/", Key("plain", "GET", "200")),
    ("GET", "/shop/fails", Key("shop", "GET", "500")),
    ("BREW", "/shop/", Key("shop", "other", "405")),
    ("HEAD", "/shop/", Key("shop", "HEAD", "200")),
    ("GET", "/nowhere", Key("", "GET", "404")),
    ("GET", "/plain/raises", Key("plain", "GET", "500")),
    ("WHEN", "/plain/written", Key("plain", "other", "200")),
    ("DELETE", "/shop/", Key("shop", "DELETE", "204")),
]


@dataclasses.dataclass
class Tally:
    """What clients have sent, and which answers they have got to their last byte."""

    sent: Counter[Key] = dataclasses.field(default_factory=Counter)
    answered: Counter[Key] = dataclasses.field(default_factory=Counter)


class Load:
    """Clients that ask on connections they keep, and again where they got no answer.

    Attributes:
        is_in_the_middle: set once a third of the requests is answered.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._left = itertools.repeat(PLAN, REQUESTS // len(PLAN) + 1)
        self._plan = itertools.islice(itertools.chain.from_iterable(self._left), REQUESTS)
        self._lock = threading.Lock()
        self._done = 0
        self.is_in_the_middle = threading.Event()

    def run(self) -> Tally:
        """Send requests until there are none left; in several threads at once."""
        tally = Tally()
        with contextlib.ExitStack() as stack:
            connection = stack.enter_context(contextlib.closing(self._connection()))
            while (planned := self._next()) is not None:
                method, path, key = planned
                for _ in range(100):
                    tally.sent[key] += 1
                    try:
                        connection.request(method, path)
                        response = connection.getresponse()
                        response.read()
                    except (OSError, http.client.HTTPException):
                        connection.close()
                    else:
                        assert str(response.status) == key.status, (method, path)
                        tally.answered[key] += 1
                        break
                else:
                    raise AssertionError(f"{method} {path} is never answered")
        return tally

    def _connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)

    def _next(self) -> tuple[str, str, Key] | None:
        with self._lock:
            self._done += 1
            if self._done == REQUESTS // 3:
                self.is_in_the_middle.set()
            return next(self._plan, None)


def series(text: str) -> Series:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def counters(found: Series) -> Series:
    kinds = ("_total", "_bucket", "_count", "_sum")
    return {key: value for key, value in found.items() if key[0].endswith(kinds)}


def requests(found: Series) -> Counter[Key]:
    return Counter(
        {
            Key(**dict(labels)): int(value)
            for (name, labels), value in found.items()
            if name == "rowhouse_requests_total"
        }
    )


def of_app(found: Series, name: str, **labels: str) -> dict[str, int]:
    """Return a metric by app, of those samples that have these labels as well."""
    return {
        app: int(value)
        for (named, pairs), value in found.items()
        if named == name and (told := dict(pairs)) and (app := told.pop("app")) is not None
        if told == labels
    }


def by_app(counted: Mapping[Key, int]) -> dict[str, int]:
    sums: Counter[str] = Counter()
    for key, value in counted.items():
        sums[key.app] += value
    return dict(sums)


class Scraper:
    """Scrapes all the time, and sees that no counter goes back or is gone.

    Attributes:
        tally: its own requests.
        last: what it has seen last.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self.tally, self.last = Tally(), Series()

    def look(self) -> None:
        key = Key("", "GET", "200")
        self.tally.sent[key] += 1
        answer = self._server.get("/-/metrics")
        assert answer.status == 200, answer.text
        self.tally.answered[key] += 1
        before, self.last = counters(self.last), series(answer.text)
        for name, value in before.items():
            assert self.last.get(name, -1) >= value, f"{name} was {value!r}"

    def run(self, has_ended: Callable[[], bool]) -> None:
        while not has_ended():
            # The worker that answers may be the one that is killed.
            with contextlib.suppress(OSError, http.client.HTTPException):
                self.look()


def added(tallies: Iterable[Tally]) -> Tally:
    both = Tally()
    for tally in tallies:
        both.sent += tally.sent
        both.answered += tally.answered
    return both


@pytest.mark.slow
@pytest.mark.parametrize("how", ["TERM", "KILL", "HUP", "max_requests"])
def test_ten_thousand_requests_while_workers_end(project: Project, serve: Serve, how: str) -> None:
    project.app("shop", SHOP)
    project.app("plain", PLAIN)
    server = serve(*["--max-requests=2000"] * (how == "max_requests"), workers=2)
    load, scraper = Load(server.port), Scraper(server)
    scraper.look()  # it serves
    until(lambda: len(server.workers()) == 2, "both workers are there")
    first = server.workers()
    ended = threading.Event()
    with ThreadPoolExecutor(CLIENTS + 1) as pool:
        scraping = pool.submit(scraper.run, ended.is_set)
        try:
            clients = [pool.submit(load.run) for _ in range(CLIENTS)]
            assert load.is_in_the_middle.wait(PATIENCE)
            gone = first if how == "HUP" else {min(first)}
            if how == "HUP":
                server.process.send_signal(signal.SIGHUP)
            elif how != "max_requests":
                os.kill(min(first), signal.Signals[f"SIG{how}"])
            tallies = [client.result() for client in clients]
            if how == "max_requests":
                until(lambda: bool(first - server.workers()), "one has had its requests")
                gone = first - server.workers()
            until(lambda: not gone & server.workers(), "the old ones have gone")
            until(lambda: len(server.workers()) == 2, "others are there")
        finally:
            ended.set()
        scraping.result()
    tally = added([*tallies, scraper.tally])
    scraper.look()
    counted = requests(scraper.last)

    assert sum(added(tallies).answered.values()) == REQUESTS
    answered, sent = tally.answered, tally.sent
    if how != "KILL":
        assert counted == answered, "what was asked for is answered, and is counted once"
    assert counted.keys() <= sent.keys()
    for key, number in sent.items():
        assert answered[key] <= counted[key] <= number, key
    durations = "rowhouse_request_duration_seconds"
    for observed in (
        of_app(scraper.last, f"{durations}_count"),
        of_app(scraper.last, f"{durations}_bucket", le="+Inf"),
    ):
        for app, number in by_app(answered).items():
            assert number <= observed[app] <= by_app(counted)[app], app
    [folder] = (project.root / "instance" / "run" / "metrics").iterdir()
    for pid in gone:
        until(lambda: not any(folder.glob(f"*_{pid}.db")), "its gauges are gone")  # noqa: B023

    def is_settled() -> bool:  # once each worker has taken it down: they do so every second
        scraper.look()
        running, up = (
            set(of_app(scraper.last, f"rowhouse_{name}").values())
            for name in ("requests_running", "app_up")
        )
        return (running, up) == ({0}, {1})

    until(is_settled, "nothing runs, and all apps are up")


DIES_AFTER_THE_LAST_BYTE = """
    import os
    import signal
    from pathlib import Path

    BODY = b"abcdef"

    def die():
        os.kill(os.getpid(), signal.SIGKILL)

    class Dying:
        def __init__(self, chunks):
            self._chunks = chunks
        def __iter__(self):
            return iter(self._chunks)
        def close(self):
            die()

    def within(chunks):
        yield from chunks
        die()

    def create_app():
        file = Path(__file__).with_name("file")
        file.write_bytes(BODY)

        def app(environ, start_response):
            kind = environ["PATH_INFO"].strip("/")
            length = [("Content-Length", str(len(BODY)))]
            if kind == "length":
                start_response("200 OK", length)
                return within([b"abc", b"def"])
            if kind == "spaced":
                start_response("200 OK", [("content-length", f" {len(BODY)} ")])
                return within([BODY])
            if kind == "written":
                start_response("200 OK", length)(BODY)
                die()
            if kind == "head":
                start_response("200 OK", length)
                return Dying([])
            if kind == "headless":
                start_response("200 OK", length)
                return within([BODY])
            if kind == "empty":
                start_response("200 OK", [("Content-Length", "0")])
                return Dying([b""])
            if kind == "nothing":
                start_response("204 No Content", [])
                return Dying([])
            if kind == "file":
                start_response("200 OK", length)
                opened = file.open("rb")
                wrapped = environ["wsgi.file_wrapper"](opened)
                wrapped.close = die
                return wrapped
            start_response("200 OK", [])
            return Dying([b"abc", b"def"])
        return app
"""


@pytest.mark.slow
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_worker_that_is_killed_has_counted_the_answers_it_gave(
    project: Project, serve: Serve, method: str
) -> None:
    project.app("dying", DIES_AFTER_THE_LAST_BYTE)
    server = serve()
    assert server.get("/-/live").status == 200
    kinds = ["length", "spaced", "written", "empty", "nothing", "file", "chunks", "closed"]
    expected: Counter[Key] = Counter()
    for kind in kinds:
        [victim] = server.workers()
        version = "1.0" if kind == "closed" else "1.1"
        with Client(server.port) as client:
            asked = request(f"/dying/{kind}", method, version=version)
            answer = client.send(asked).answer(method)
        status = 204 if kind == "nothing" else 200
        body = "" if method == "HEAD" or kind in ("nothing", "empty") else "abcdef"
        assert (answer.status, answer.text) == (status, body), kind
        expected[Key("dying", method, str(status))] += 1
        until(lambda: victim not in server.workers(), "it is killed")  # noqa: B023
        counted = requests(series(server.get("/-/metrics").text))
        assert {k: n for k, n in counted.items() if k.app} == expected, kind
    until(lambda: server.lines().count("was sent SIGKILL") == len(kinds), "each end is logged")
