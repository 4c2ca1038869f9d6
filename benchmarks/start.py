"""Seconds from the start of the process to its first answers.

The clock begins right before gunicorn is executed and stops when a client has the whole answer. Its
connection waits in the listening socket from the beginning, so that nothing is polled. First
``/-/live`` is asked, then the first app.

Limits: files and bytecode are in the page cache, as after a reload, not as after a boot of the
machine. One worker; a second one starts beside it.
"""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks import projects
from benchmarks.client import ask
from benchmarks.pairs import Comparison, Section, interleaved
from benchmarks.servers import plain, served

ROUNDS = 9


@dataclasses.dataclass(frozen=True, kw_only=True)
class Start:
    """Seconds until the process answered, and until its first app did."""

    live: float
    app: float


def measure(rounds: int | None) -> Section:
    """Measure Rowhouse with 1, 20 and 1,000 mounts, and Werkzeug's dispatcher with 1 and 20."""
    with tempfile.TemporaryDirectory(prefix="rowhouse-") as temporary:
        folder = Path(temporary)
        starts = interleaved(
            {
                "1,000 lazy": _ours(
                    projects.sites_mounted(folder / "lazy", 1000, load="lazy"), 1000
                ),
                "1": _ours(projects.sites_mounted(folder / "one", 1), 1),
                "1 peer": _peers(projects.sites_dispatched(folder / "peer-one", 1)),
                "20": _ours(projects.sites_mounted(folder / "twenty", 20), 20),
                "20 peer": _peers(projects.sites_dispatched(folder / "peer-twenty", 20)),
            },
            rounds or ROUNDS,
        )
    live = {name: [start.live for start in each] for name, each in starts.items()}
    app = {name: [start.app for start in each] for name, each in starts.items()}

    def row(what: str, figures: list[float], beside: str, others: list[float]) -> Comparison:
        return Comparison(
            what=what, figures=figures, beside=beside, others=others, by_difference=True
        )

    lazy_live = row("1,000 lazy mounts: /-/live", live["1,000 lazy"], "1 mount", live["1"])
    lazy_app = row("1,000 lazy mounts: an app", app["1,000 lazy"], "1 mount", app["1"])
    return Section(
        title="start: from the start of gunicorn to the first 200",
        unit="s",
        notes="Small sites of plain Flask, one worker; eager mounts where nothing else is said.",
        comparisons=[
            dataclasses.replace(lazy_live, at_most=1.0),
            dataclasses.replace(lazy_app, at_most=1.0),
            row("20 mounts: /-/live", live["20"], "1 mount", live["1"]),
            row("1 mount: an app", app["1"], "Werkzeug's dispatcher, 1 app", app["1 peer"]),
            row("20 mounts: an app", app["20"], "Werkzeug's dispatcher, 20 apps", app["20 peer"]),
        ],
    )


def _ours(project: Path, count: int) -> Callable[[int], Start]:
    """Return what starts a Rowhouse, and sees to it that it has ``count`` mounts."""

    def start(number: int) -> Start:
        with served(project) as server:
            live = server.first("/-/live")
            app = server.first("/site000/")
            _, ready = ask(server.address, "/-/ready")
        mounts = json.loads(ready)["mounts"]
        if len(mounts) != count or any(mount["state"] == "down" for mount in mounts.values()):
            raise RuntimeError(
                f"there should be {count} mounts, none of them down: {ready[:2000]!r}"
            )
        return Start(live=live, app=app)

    return start


def _peers(project: Path) -> Callable[[int], Start]:
    """Return what starts the peer, which has no ``/-/live``: its first answer is its app's."""

    def start(number: int) -> Start:
        with served(project, *plain("dispatched:create_app()")) as server:
            app = server.first("/site000/")
            return Start(live=app, app=app)

    return start
