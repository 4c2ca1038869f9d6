"""CPU time of one call of the dispatcher, beside Werkzeug's, which it is made from.

Every call gets an environ of its own with the two keys that dispatchers read, on both sides. What
the same loop costs without a dispatcher is measured in every round too, and taken off.

Limits: one path, asked again and again, finds everything in the processor's caches; the rows "in
turn" ask for another path each time, which is what 10,000 busy mounts would be like.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from werkzeug.middleware.dispatcher import DispatcherMiddleware

from benchmarks.pairs import Comparison, Section, interleaved
from shared_utils.hosting.dispatching import BoundedDispatcher

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

ROUNDS = 41
CALLS = 10_000
MANY = 10_000
FEW_CALLS = 10
"""For Werkzeug's with 4,000 slashes: one call takes milliseconds."""


def measure(rounds: int | None) -> Section:
    """Measure both dispatchers with one mount, many mounts, and a path of many slashes."""
    one: dict[str, WSGIApplication] = {"/m00000": _app}
    many: dict[str, WSGIApplication] = {f"/m{number:05}": _app for number in range(MANY)}
    short = ["/m00000/page"] * CALLS
    slashes = ["/m00000" + "/" * 4000]
    paths_of_one = [f"/m00000/{number:05}" for number in range(MANY)]
    paths_of_many = [f"/m{number:05}/00000" for number in range(MANY)]
    ours_one, ours_many = BoundedDispatcher(_app, one), BoundedDispatcher(_app, many)
    peer_one, peer_many = DispatcherMiddleware(_app, one), DispatcherMiddleware(_app, many)
    figures = interleaved(
        {
            "bare": _cost(_app, short),
            "one": _cost(ours_one, short),
            "many": _cost(ours_many, short),
            "slashes": _cost(ours_one, slashes * CALLS),
            "one, in turn": _cost(ours_one, paths_of_one),
            "many, in turn": _cost(ours_many, paths_of_many),
            "peer's one": _cost(peer_one, short),
            "peer's many": _cost(peer_many, short),
            "peer's many, in turn": _cost(peer_many, paths_of_many),
            "peer's slashes": _cost(peer_one, slashes * FEW_CALLS),
        },
        rounds or ROUNDS,
    )
    bare = figures.pop("bare")
    net = {
        name: [figure - loop for figure, loop in zip(costs, bare, strict=True)]
        for name, costs in figures.items()
    }

    def row(
        what: str, name: str, beside: str, other: str, *, more: bool = False, most: float | None
    ) -> Comparison:
        return Comparison(
            what=what,
            figures=net[name],
            beside=beside,
            others=net[other],
            by_difference=more,
            at_most=most,
        )

    turn = "10,000 mounts in turn"
    return Section(
        title="dispatcher: CPU time of one call",
        unit="µs",
        notes="BoundedDispatcher, a fresh environ for every call, the empty loop taken off.",
        comparisons=[
            row("10,000 mounts", "many", "1 mount", "one", most=1.05),
            row("/m and 4,000 slashes", "slashes", "short path", "one", more=True, most=2.0),
            row(turn, "many, in turn", "1 mount, as many paths", "one, in turn", most=None),
            row("1 mount", "one", "Werkzeug's", "peer's one", most=None),
            row("10,000 mounts", "many", "Werkzeug's", "peer's many", most=None),
            row(turn, "many, in turn", "Werkzeug's", "peer's many, in turn", most=None),
            row("/m and 4,000 slashes", "slashes", "Werkzeug's", "peer's slashes", most=None),
        ],
    )


def _app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    return ()


def _start(
    status: str, headers: list[tuple[str, str]], exc_info: object = None
) -> Callable[..., object]:
    raise AssertionError("the app above answers nothing")


def _cost(application: WSGIApplication, paths: Sequence[str]) -> Callable[[int], float]:
    """Return what measures the µs that one call takes."""

    def cost(number: int) -> float:
        began = time.process_time_ns()
        for path in paths:
            application({"SCRIPT_NAME": "", "PATH_INFO": path}, _start)
        return (time.process_time_ns() - began) / len(paths) / 1000

    return cost
