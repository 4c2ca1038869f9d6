"""Memory of one gunicorn with 20 apps, beside 20 gunicorns with one each.

Every gunicorn has two workers, and every worker has answered for every app that it serves. What
counts is PSS of master and workers: pages that several processes map are divided among them. Only
one kind runs at a time, so that none shares pages with the one it is compared with.

Limits: other Python processes on the machine, this one included, share the interpreter's own pages
with all kinds alike. Two requests at a time start few threads, each of which takes memory of its
own; busy servers have more, of every kind. The apps are small, and what large ones import is shared
only where they import the same.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from benchmarks import projects
from benchmarks.client import connected
from benchmarks.pairs import Comparison, Section, interleaved
from benchmarks.servers import Server, plain, served

ROUNDS = 3
APPS = 20
WORKERS = 2
AT_ONCE = 2
PATIENCE = 60.0

_PROCESS = re.compile(rb"<b>(\d+)</b>")


def measure(rounds: int | None) -> Section:
    """Measure the sites in one Rowhouse, under one Werkzeug dispatcher, and each alone."""
    with tempfile.TemporaryDirectory(prefix="rowhouse-") as temporary:
        folder = Path(temporary)
        alone = projects.sites_alone(folder / "alone", APPS)
        mounted = projects.sites_mounted(folder / "mounted", APPS)
        dispatched = projects.sites_dispatched(folder / "dispatched", APPS)
        paths = [f"/{name}/" for name in projects.names(APPS)]

        def of_all_alone(number: int) -> float:
            with contextlib.ExitStack() as stack:
                servers = [
                    stack.enter_context(
                        served(each, *plain(f"{each.name}:create_app()"), workers=WORKERS)
                    )
                    for each in alone
                ]
                for server in servers:
                    _ask_every_worker(server, ["/"])
                return sum(server.pss() for server in servers) / 2**20

        def of_one(project: Path, *arguments: str) -> float:
            with served(project, *arguments, workers=WORKERS) as server:
                _ask_every_worker(server, paths)
                return server.pss() / 2**20

        figures = interleaved(
            {
                "mounted": lambda number: of_one(mounted),
                "alone": of_all_alone,
                "dispatched": lambda number: of_one(dispatched, *plain("dispatched:create_app()")),
            },
            rounds or ROUNDS,
            warm_up=False,
        )
    what = f"Rowhouse with {APPS} apps"
    return Section(
        title="memory: PSS of all processes, 2 workers to each gunicorn",
        unit="MB",
        notes=(
            "Small sites of plain Flask, a blueprint and a template each; every worker has "
            "answered for every app."
        ),
        comparisons=[
            Comparison(
                what=what,
                figures=figures["mounted"],
                beside=f"{APPS} gunicorns",
                others=figures["alone"],
                at_most=1 / 15,
            ),
            Comparison(
                what=what,
                figures=figures["mounted"],
                beside="Werkzeug's dispatcher, 1 gunicorn",
                others=figures["dispatched"],
            ),
        ],
    )


def _ask_every_worker(server: Server, paths: Iterable[str]) -> None:
    """Ask for every path until every worker has answered; the answers say which one did.

    A worker may still be starting while the other one answers.
    """
    until = time.monotonic() + PATIENCE
    for path in paths:
        server.first(path)
        seen: set[bytes] = set()
        while len(seen) < WORKERS:
            seen |= _processes(server, path)
            if time.monotonic() > until:
                raise RuntimeError(f"{path}: only {len(seen)} of {WORKERS} workers answered")


def _processes(server: Server, path: str) -> set[bytes]:
    """Return the processes that answer several requests at once."""
    with connected(server.address, AT_ONCE) as connections:
        for connection in connections:
            connection.send(path)
        answers = [connection.receive() for connection in connections]
    if any(status != 200 for status, _ in answers):
        raise RuntimeError(f"{path} answers {answers}")
    return {process for _, body in answers for process in _PROCESS.findall(body)}
