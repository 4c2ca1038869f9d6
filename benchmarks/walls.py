"""What a healthy app has left beside a bad neighbour, and what the walls cost where there is none.

A neighbour under the same gunicorn has 100 connections on which it (a) hangs for ever, (b) takes
200 ms, (c) sends 5 MB to clients that read one byte a second, (d) computes for 50 ms. The healthy
app, a hello-world, is asked over 4 connections by wrk: first alone, then, in the same process,
beside the neighbour. Rowhouse is measured as it comes, with 512 threads; Werkzeug's dispatcher with
32. In (a) the neighbour has ``deadline = 0`` in the operator file, or its requests would be ended
after 30 s; it goes on for longer than ``queue_timeout``, so that requests which wait for a slot are
shed and sent again. Alone and beside it are measured in turn, a second or two at a time, and what
came of them in one round is taken together: this machine is faster and slower for seconds. In (a)
that takes two servers, since one that hangs does so for good.

Then the load is the healthy app's alone, on 4, 64 and 200 connections, and 40 connections are on
the view that takes 200 ms and on one that takes 5 ms, each beside the plain dispatcher. The last is
told of, not judged: an app whose requests all wait a little gains least from threads in turns.
Last, the walls' own share of a request is what the worker's threads take for the half of the
healthy app's requests that meets a wall, beside the half that does not, whose headers the server
has to check by itself, since no wall has done it (``halves.py``): over 4 connections, for a page
that is always the same and for one whose length is another each time, and over one connection,
where the worker sleeps between two requests. What all of Rowhouse takes is the CPU time of the
worker, one request at a time (``requests.py``), beside the plain dispatcher.

Limits: load generators run on the same cores as what they measure. What takes the worker's GIL
takes it from all its apps: in (b) the neighbour's answers are work as well, and in (d) two apps
want all of it, so that half would be the fair share. wrk does not count what was never answered
towards p99.
"""

from __future__ import annotations

import contextlib
import dataclasses
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from benchmarks import projects, wrk
from benchmarks.client import Address, connected
from benchmarks.halves import ROUNDS as HALVES_ROUNDS
from benchmarks.halves import SERVERS, WORKER_CLASS, halves
from benchmarks.pairs import Comparison, Section, interleaved
from benchmarks.readers import reading
from benchmarks.requests import Bursts
from benchmarks.servers import Server, plain, served
from benchmarks.wrk import Load

ROUNDS = 3
ROUNDS_ALONE = 8
CPU_ROUNDS = 60

FEW, MANY = 4, 100
SECONDS = 2
SLICES = 3
SECONDS_ALONE = 1
"""Short, and often: a noisy machine is slow or fast for seconds at a time."""
BEYOND_QUEUE_TIMEOUT = 6
SETTLE = 1.0
"""Seconds that the neighbour's clients are given before the healthy app is measured."""

HELLO, ANY = "/healthy/", "/healthy/any"
PLAIN_THREADS = 32

Own = Callable[[], float]
"""Tells how a neighbour itself fared, when its load has ended."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Kind:
    """One way to serve the two apps."""

    make: Callable[[Path], Path]
    arguments: Sequence[str]


ROWHOUSE = Kind(make=projects.neighbours_mounted, arguments=())
PLAIN = Kind(
    make=projects.neighbours_dispatched,
    # The last flag counts: these threads, instead of those that served() gives.
    arguments=(*plain("dispatched:create_app()"), f"--threads={PLAIN_THREADS}"),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Neighbour:
    """A bad neighbour, and what is asked of the healthy app beside it.

    Attributes:
        press: makes the neighbour's load.
        own: what is told of how the neighbour fares, and its unit.
        rate: part of its own rate alone that is left to the healthy app at least; None: not judged.
        p99: how many times its own p99 alone it may have.
        seconds: how long Rowhouse is measured at a time, alone and beside it.
        slices: how often in a round.
        stays: its requests never end, and take nothing: it is there from beginning to end, and the
            healthy app alone is measured on another server.
    """

    name: str
    press: Callable[[Address], contextlib.AbstractContextManager[Own]]
    own: tuple[str, str]
    rate: float | None
    p99: float | None
    seconds: int = SECONDS
    slices: int = SLICES
    stays: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Beside:
    """The healthy app alone, and beside its neighbour in the same process, slice by slice."""

    alone: Load
    beside: Load
    own: float


@contextlib.contextmanager
def _hanging(address: Address) -> Iterator[Own]:
    with wrk.loading(address, "/neighbour/hang", MANY) as load:
        yield lambda: load.result.refused / load.result.seconds


@contextlib.contextmanager
def _slow(address: Address) -> Iterator[Own]:
    with wrk.loading(address, "/neighbour/slow", MANY) as load:
        yield lambda: load.result.rate


@contextlib.contextmanager
def _computing(address: Address) -> Iterator[Own]:
    with wrk.loading(address, "/neighbour/compute", MANY) as load:
        yield lambda: load.result.rate


@contextlib.contextmanager
def _slowly_read(address: Address) -> Iterator[Own]:
    with reading(address, "/neighbour/large", MANY) as readers:
        yield lambda: readers.answered


NEIGHBOURS = (
    Neighbour(
        name="a neighbour that hangs",
        press=_hanging,
        own=("its own 503s", "/s"),
        rate=0.95,
        p99=1.3,
        seconds=1,
        slices=2 * BEYOND_QUEUE_TIMEOUT,
        stays=True,
    ),
    Neighbour(
        name="a neighbour that takes 200 ms",
        press=_slow,
        own=("its own 200s", "/s"),
        rate=0.75,
        p99=None,
    ),
    Neighbour(
        name="a neighbour that computes for 50 ms",
        press=_computing,
        own=("its own 200s", "/s"),
        rate=None,
        p99=None,
        seconds=BEYOND_QUEUE_TIMEOUT,
        slices=1,
    ),
    Neighbour(
        name="a neighbour with slow readers",
        press=_slowly_read,
        own=("those that are answered", "readers"),
        rate=0.95,
        p99=1.3,
    ),
)

ALONE = {
    "hello, 4 connections": (HELLO, 4),
    "hello, 64 connections": (HELLO, 64),
    "hello, 200 connections": (HELLO, 200),
    "a 200 ms view, 40 connections": ("/neighbour/slow", 40),
    "a 5 ms view, 40 connections": ("/neighbour/brief", 40),
}
NOT_JUDGED = "a 5 ms view, 40 connections"


def measure(rounds: int | None) -> Section:
    """Measure the healthy app beside each neighbour, the same load without one, and CPU time."""
    wrk.require()
    with tempfile.TemporaryDirectory(prefix="rowhouse-") as temporary:
        folder = Path(temporary)
        comparisons = [
            *_beside_neighbours(folder / "beside", rounds or ROUNDS),
            *_without_neighbours(folder / "without", rounds or ROUNDS_ALONE),
            *_wall(folder / "wall", rounds or HALVES_ROUNDS),
            *_cpu(folder / "cpu", rounds or CPU_ROUNDS),
        ]
    return Section(
        title="walls: a healthy app beside a bad neighbour, and without one",
        unit="",
        notes=(
            "One gthread worker; Rowhouse as it comes, with 512 threads; plain: the same apps "
            f"under Werkzeug's dispatcher with {PLAIN_THREADS}. The healthy app is a hello-world "
            f"with a SECRET_KEY, asked by wrk over {FEW} connections; its neighbour has {MANY}, "
            "and a deadline of 0 here, or it would not hang for ever. Load generators run on the "
            "same cores. Where nothing was answered, p99 is as long as was measured. Beside a "
            "neighbour, and for CPU time, those of twice as many rounds count in which other "
            "machines on this hardware took least; failed requests are those of all."
        ),
        comparisons=comparisons,
    )


def _beside_neighbours(folder: Path, rounds: int) -> Iterator[Comparison]:
    kinds = {"Rowhouse": ROWHOUSE, "plain": PLAIN}
    folders = {
        name: [kind.make(folder / f"{name}{number}") for number in range(2)]
        for name, kind in kinds.items()
    }
    loads: dict[str, list[Load]] = {name: [] for name in kinds}
    for neighbour in NEIGHBOURS:
        cases = {
            name: _beside(folders[name], kind, neighbour, loads[name])
            for name, kind in kinds.items()
        }
        # Each by itself: the shorter a round is, the more of them others have left alone.
        measured = interleaved(cases, rounds, warm_up=False, calmer_half=True)
        for name, each in measured.items():
            judged = name == "Rowhouse"
            yield Comparison(
                what=f"{name}: hello beside {neighbour.name}",
                figures=[pair.beside.rate for pair in each],
                beside="alone",
                others=[pair.alone.rate for pair in each],
                unit="req/s",
                at_least=neighbour.rate if judged else None,
            )
            yield Comparison(
                what=f"{name}: p99 beside {neighbour.name}",
                figures=[pair.beside.p99 for pair in each],
                beside="alone",
                others=[pair.alone.p99 for pair in each],
                unit="ms",
                at_most=neighbour.p99 if judged else None,
            )
        what, unit = neighbour.own
        yield Comparison(
            what=f"{neighbour.name}: {what}",
            figures=[pair.own for pair in measured["Rowhouse"]],
            beside="plain",
            others=[pair.own for pair in measured["plain"]],
            unit=unit,
            by_difference=True,
        )
    yield _none_failed("Rowhouse: all of that", loads["Rowhouse"])


def _beside(
    folders: Sequence[Path], kind: Kind, neighbour: Neighbour, loads: list[Load]
) -> Callable[[int], Beside]:
    """Return what measures one round, on servers of its own: one that hangs is of no more use.

    What each load came to is added to ``loads``, whether the round counts or not.
    """
    seconds, slices = (neighbour.seconds, neighbour.slices) if kind is ROWHOUSE else (1, 1)

    def load(server: Server) -> Load:
        loads.append(wrk.load(server.address, HELLO, FEW, seconds))
        return loads[-1]

    @contextlib.contextmanager
    def started(folder: Path) -> Iterator[Server]:
        # At the end gunicorn would wait for what hangs.
        with served(folder, *kind.arguments, "--graceful-timeout=1") as server:
            warm_up(server)
            yield server

    @contextlib.contextmanager
    def pressed(server: Server) -> Iterator[Own]:
        with neighbour.press(server.address) as own:
            time.sleep(SETTLE)
            yield own
        time.sleep(SETTLE)

    def measure(number: int) -> Beside:
        alone: list[Load] = []
        beside: list[Load] = []
        owns: list[Own] = []
        # Slices are equally long: a longer look sees more of what comes once in a while.
        with started(folders[0]) as server:
            if neighbour.stays:
                with started(folders[1]) as other, pressed(other) as own:
                    for _ in range(slices):
                        alone.append(load(server))
                        beside.append(load(other))
                owns.append(own)
            else:
                for _ in range(slices):
                    alone.append(load(server))
                    with pressed(server) as own:
                        beside.append(load(server))
                    owns.append(own)
        return Beside(
            alone=Load.together(alone),
            beside=Load.together(beside),
            own=statistics.fmean(own() for own in owns),
        )

    return measure


def _without_neighbours(folder: Path, rounds: int) -> Iterator[Comparison]:
    with contextlib.ExitStack() as stack:
        servers = {
            name: stack.enter_context(served(kind.make(folder / name), *kind.arguments))
            for name, kind in {"Rowhouse": ROWHOUSE, "plain": PLAIN}.items()
        }
        for server in servers.values():
            warm_up(server)

        def load(server: Server, path: str, connections: int) -> Callable[[int], Load]:
            return lambda number: wrk.load(server.address, path, connections, SECONDS_ALONE)

        cases = {
            f"{name}, {what}": load(server, path, connections)
            for what, (path, connections) in ALONE.items()
            for name, server in servers.items()
        }
        measured = interleaved(cases, rounds, warm_up=False)
    for what in ALONE:
        yield Comparison(
            what=f"Rowhouse: {what}",
            figures=[load.rate for load in measured[f"Rowhouse, {what}"]],
            beside="plain",
            others=[load.rate for load in measured[f"plain, {what}"]],
            unit="req/s",
            at_least=None if what == NOT_JUDGED else 0.95,
        )
    loads = [load for what in ALONE for load in measured[f"Rowhouse, {what}"]]
    yield _none_failed("Rowhouse: these five", loads)


def _none_failed(what: str, loads: Sequence[Load]) -> Comparison:
    """Return a row that is met where no request failed, in whatever round."""
    return Comparison(
        what=f"{what}, failed requests",
        figures=[float(sum(load.failed for load in loads))],
        beside="none",
        others=[0.0],
        by_difference=True,
        at_most=0.0,
    )


def warm_up(server: Server) -> None:
    """Have every thread answer that the load will need."""
    server.first(HELLO)
    with connected(server.address, FEW) as connections:
        for _ in range(50):
            for connection in connections:
                connection.send(HELLO)
            for connection in connections:
                connection.receive()


def _wall(folder: Path, rounds: int) -> Iterator[Comparison]:
    with contextlib.ExitStack() as stack:
        folders = [ROWHOUSE.make(folder / f"{number}") for number in range(SERVERS)]
        options = (WORKER_CLASS, "unwalled:create_app()")
        servers = [stack.enter_context(served(each, *options)) for each in folders]
        figures = interleaved(
            {
                f"Rowhouse: CPU time for one hello, {FEW} connections": halves(servers, HELLO, FEW),
                f"Rowhouse: for one of any length, {FEW} connections": halves(servers, ANY, FEW),
                "Rowhouse: the same, 1 connection": halves(servers, HELLO, 1),
            },
            rounds,
            calmer_half=True,
        )
    for what, measured in figures.items():
        yield Comparison(
            what=what,
            figures=[each.through for each in measured],
            beside="without the wall",
            others=[each.past for each in measured],
            unit="µs",
            by_difference=True,
            at_most=15.0 if f"{FEW} connections" in what else None,
        )


def _cpu(folder: Path, rounds: int) -> Iterator[Comparison]:
    with contextlib.ExitStack() as stack:

        def bursts(name: str, kind: Kind) -> Bursts:
            folders = [kind.make(folder / f"{name}{number}") for number in range(SERVERS)]
            servers = [stack.enter_context(served(each, *kind.arguments)) for each in folders]
            return Bursts(servers, HELLO)

        kinds = {"Rowhouse": ROWHOUSE, "plain": PLAIN}
        cases = {name: bursts(name, kind) for name, kind in kinds.items()}
        figures = interleaved(cases, rounds, calmer_half=True)
    yield Comparison(
        what="Rowhouse: CPU time of the worker for one hello",
        figures=figures["Rowhouse"],
        beside="plain",
        others=figures["plain"],
        unit="µs",
        by_difference=True,
    )
