"""CPU time that a worker takes for one request to a hello-world, mounted and alone.

Servers of every kind run all the time, three of each: two processes of one kind differ by a
percent or two for as long as they live (where their memory lies, how strings hash), so that one
pair alone would measure its luck. Each round sends a burst of the same size to one server of every
kind, over a kept-alive connection, one request at a time. The row "another of its kind" compares
alone with alone: what it shows beside 1 is noise.

An app without a ``SECRET_KEY`` gets one where it is mounted, so that Flask opens a session for
every request, which it does not do alone. "With a key" sets the same key on both sides, "with a
session" sends a session's cookie as well.

Limits: a hello-world is the app in which the host's share is largest; CPU time of the kernel on
behalf of the worker is part of it; the path of a mounted app is longer by its prefix. Latency and
throughput are not measured, and a client on the same cores heats the same caches.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import projects
from benchmarks.client import Connection, connected
from benchmarks.pairs import Comparison, Section, interleaved
from benchmarks.servers import Server, plain, served

ROUNDS = 75
BURST = 200
SERVERS = 3


def measure(rounds: int | None) -> Section:
    """Measure a hello-world alone, mounted in Rowhouse, and under Werkzeug's dispatcher."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rowhouse-")))

        def bursts(make: Callable[[Path], Path], name: str, *arguments: str) -> Bursts:
            folders = [make(folder / f"{name}{number}") for number in range(SERVERS)]
            servers = [stack.enter_context(served(each, *arguments)) for each in folders]
            return Bursts(servers, "/" if "alone" in name else "/hello/")

        def with_session(kind: Bursts) -> Bursts:
            return Bursts(kind.servers, kind.path, projects.session_cookie())

        alone = bursts(projects.hello_alone, "alone", *plain("hello:create_app()"))
        keyed = bursts(projects.hello_alone, "keyed-alone", *plain("hello:create_keyed_app()"))
        keyed_mounted = bursts(projects.keyed_mounted, "keyed-mounted")
        cases: dict[str, Callable[[int], float]] = {
            "mounted": bursts(projects.hello_mounted, "mounted"),
            "alone": alone,
            "dispatched": bursts(
                projects.hello_dispatched, "dispatched", *plain("dispatched:create_app()")
            ),
            "another": lambda number: alone(number + 1),
            "keyed, mounted": keyed_mounted,
            "keyed, alone": keyed,
            "session, mounted": with_session(keyed_mounted),
            "session, alone": with_session(keyed),
        }
        figures = interleaved(cases, rounds or ROUNDS)

    def row(
        what: str, name: str, beside: str, other: str, at_most: float | None = None
    ) -> Comparison:
        return Comparison(
            what=what,
            figures=figures[name],
            beside=beside,
            others=figures[other],
            at_most=at_most,
        )

    dispatched = "under Werkzeug's dispatcher"
    return Section(
        title="requests: CPU time of the worker for one request",
        unit="µs",
        notes=(
            "A hello-world of plain Flask that never heard of Rowhouse, under real gunicorns with "
            f"one gthread worker each, {SERVERS} of a kind, bursts of {BURST} requests. Mounted, "
            "it is given a SECRET_KEY, alone it has none; with a key, both have the same one."
        ),
        comparisons=[
            row("hello, mounted", "mounted", "alone", "alone", 1.03),
            row("hello with a key, mounted", "keyed, mounted", "alone", "keyed, alone", 1.03),
            row(
                "hello with a session, mounted", "session, mounted", "alone", "session, alone", 1.03
            ),
            row("hello, mounted", "mounted", dispatched, "dispatched"),
            row(f"hello, {dispatched}", "dispatched", "alone", "alone"),
            row("hello, alone", "alone", "another of its kind (noise)", "another"),
        ],
    )


class Bursts:
    """Bursts of requests to a hello-world on servers of one kind, which have to be up.

    Called with the number of a round, it returns the µs of CPU that the worker of one server took
    for each request.
    """

    def __init__(self, servers: Sequence[Server], path: str, cookie: str = "") -> None:
        self.servers, self.path, self._cookie = servers, path, cookie
        for server in servers:
            server.first(path)
            if len(server.workers()) != 1:
                raise RuntimeError(f"there should be one worker: {server.workers()}")

    def __call__(self, number: int) -> float:
        server = self.servers[number % len(self.servers)]
        with connected(server.address) as [connection]:
            self._exchange(connection)  # the first one, which sets it up, does not count
            began = server.cpu_seconds()
            for _ in range(BURST):
                self._exchange(connection)
            return (server.cpu_seconds() - began) / BURST * 1e6

    def _exchange(self, connection: Connection) -> None:
        connection.send(self.path, self._cookie)
        status, body = connection.receive()
        if (status, body) != (200, b"Hello, World!"):
            raise RuntimeError(f"{self.path} answers {status}: {body[:200]!r}")
