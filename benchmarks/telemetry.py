"""CPU time that a worker takes to log and count one request.

The host is served as it comes; half of its requests pass by its telemetry layer: they leave no
record, no log line and no count (``halves.py``). They come over 8 connections, so that threads take
turns, and over one: then the worker has nothing to do between two requests, and whatever it does
after that takes longer, because its processor sleeps and other programs use its caches meanwhile.
The log is a file. The calmer half of all rounds counts (see ``pairs.py``).

"StatsD as well" has gunicorn's ``--statsd-host``, and compares what is sent per app as well with
gunicorn's own alone; nobody listens. "Traced as well" is not measured: tracing is an extra. What is
done once a second whatever the load is, is not in these figures.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks import projects, wrk
from benchmarks.halves import ROUNDS, SERVERS, WORKER_CLASS, Halves, halves
from benchmarks.pairs import Comparison, Section, interleaved
from benchmarks.servers import served

CONNECTIONS = 8
PATH = "/hello/"
STATSD = ("--statsd-host=127.0.0.1:9", "--statsd-prefix=bench")


def measure(rounds: int | None) -> Section:
    """Measure a hello-world with the telemetry layer and without it."""
    wrk.require()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rowhouse-")))

        def case(name: str, connections: int, *arguments: str) -> Callable[[int], Halves]:
            folders = [projects.recorded(folder / f"{name}{number}") for number in range(SERVERS)]
            options = (*arguments, WORKER_CLASS, "unrecorded:create_app()")
            servers = [stack.enter_context(served(each, *options)) for each in folders]
            return halves(servers, PATH, connections)

        figures = interleaved(
            {
                "hello, logged and counted": case("busy", CONNECTIONS),
                "the same, over 1 connection": case("idle", 1),
                "the same, with StatsD as well": case("sent", CONNECTIONS, *STATSD),
            },
            rounds or ROUNDS,
            calmer_half=True,
        )
    return Section(
        title="telemetry: CPU time of the worker's threads for one request",
        unit="µs",
        notes=(
            "A hello-world of plain Flask with a SECRET_KEY, mounted, in gunicorns with one worker "
            f"each, {SERVERS} of a kind, asked by wrk over {CONNECTIONS} connections; half of the "
            "requests pass by the layer. The log is a file. Of twice as many rounds, those count "
            "in which other machines on this hardware took least."
        ),
        comparisons=[
            Comparison(
                what=what,
                figures=[each.through for each in measured],
                beside="gunicorn's StatsD alone" if "StatsD" in what else "without the layer",
                others=[each.past for each in measured],
                by_difference=True,
                at_most=20.0 if what == "hello, logged and counted" else None,
            )
            for what, measured in figures.items()
        ],
    )
