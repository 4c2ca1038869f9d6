"""CPU time that a worker takes to log and count one request.

The same host is served twice: as it comes, and without its telemetry layer: no record, no log line,
no metrics, no sampler. Requests come over 8 connections at once, so that 8 threads answer them.
Servers run all the time, five of each kind, and take turns: one differs from the next of its kind
by as much as is measured here (see ``requests.py``). The log is a file. The calmer half of all
rounds counts (see ``pairs.py``).

"StatsD as well" has gunicorn's ``--statsd-host`` on both sides, and compares what is sent per app
with gunicorn's own alone; nobody listens. "Traced as well" is not measured: tracing is an extra.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import projects
from benchmarks.client import connected
from benchmarks.pairs import Comparison, Section, interleaved
from benchmarks.servers import Server, served

ROUNDS = 80
CONNECTIONS = 8
BURST = 50
"""Requests of each connection."""
SERVERS = 5
PATH = "/hello/"
STATSD = ("--statsd-host=127.0.0.1:9", "--statsd-prefix=bench")


class Bursts:
    """Bursts of requests over several connections; returns the worker's µs for each request."""

    def __init__(self, servers: Sequence[Server]) -> None:
        self._servers = servers
        for server in servers:
            server.first(PATH)

    def __call__(self, number: int) -> float:
        """Return the µs of CPU for each request of a burst."""
        server = self._servers[number % len(self._servers)]
        with connected(server.address, CONNECTIONS) as connections:
            began = 0.0
            for turn in range(BURST + 1):
                for connection in connections:
                    connection.send(PATH)
                for connection in connections:
                    status, body = connection.receive()
                    if (status, body) != (200, b"Hello, World!"):
                        raise RuntimeError(f"{PATH} answers {status}: {body[:200]!r}")
                if not turn:  # the first one sets the connections up
                    began = server.cpu_seconds()
            return (server.cpu_seconds() - began) / BURST / CONNECTIONS * 1e6


def measure(rounds: int | None) -> Section:
    """Measure a hello-world with the telemetry layer and without it."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rowhouse-")))

        def bursts(name: str, *arguments: str) -> Bursts:
            folders = [projects.recorded(folder / f"{name}{number}") for number in range(SERVERS)]
            return Bursts([stack.enter_context(served(each, *arguments)) for each in folders])

        figures = interleaved(
            {
                "recorded": bursts("recorded"),
                "unrecorded": bursts("unrecorded", "unrecorded:create_app()"),
                "sent": bursts("sent", *STATSD),
                "unsent": bursts("unsent", *STATSD, "unrecorded:create_app()"),
            },
            rounds or ROUNDS,
            calmer_half=True,
        )
    return Section(
        title="telemetry: CPU time of the worker for one request",
        unit="µs",
        notes=(
            "A hello-world of plain Flask with a SECRET_KEY, mounted, in gunicorns with one "
            f"worker each, {SERVERS} of a kind; {CONNECTIONS} connections at once, {BURST} "
            "requests each. The log is a file. Of twice as many rounds, those count in which other "
            "machines on this hardware took least."
        ),
        comparisons=[
            Comparison(
                what="hello, logged and counted",
                figures=figures["recorded"],
                beside="without the telemetry layer",
                others=figures["unrecorded"],
                by_difference=True,
                at_most=20.0,
            ),
            Comparison(
                what="the same, with StatsD as well",
                figures=figures["sent"],
                beside="gunicorn's StatsD alone",
                others=figures["unsent"],
                by_difference=True,
            ),
        ],
    )
