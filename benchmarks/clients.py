"""What a healthy app has left beside 600 clients that do nothing, or half of what they should.

They send nothing; half a request's head; a request for 5 MB of which they read nothing; or a
request over HTTP/1.0, whose answer ends with the connection, which they do not close. The healthy
app, a hello-world, is asked by one client, a request after the other, each over a new connection:
first alone, then, in the same process, beside them. Rowhouse is measured as it comes, and
Werkzeug's dispatcher under a gthread worker with as many threads.

Limits: what is measured are the first seconds, in which these clients are all there; Rowhouse
closes them after ``[host] client_timeout`` (10 s). In the first second or two, 5 MB for each reader
are copied into the kernel, by either server: that is waited for, and not measured.
"""

from __future__ import annotations

import contextlib
import dataclasses
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.client import TIMEOUT, Address
from benchmarks.pairs import Comparison, Section, interleaved
from benchmarks.readers import BUFFER
from benchmarks.servers import plain, served
from benchmarks.walls import HELLO, ROWHOUSE, Kind, warm_up
from benchmarks.walls import PLAIN as FEWER_THREADS

ROUNDS = 2
COUNT = 600
SECONDS = 2.0

KINDS = {
    "Rowhouse": ROWHOUSE,
    "plain": dataclasses.replace(FEWER_THREADS, arguments=plain("dispatched:create_app()")),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Clients:
    """What each of the slow clients sends, and how long the server is left alone with them."""

    what: str
    sent: bytes
    settle: float = 0.5


SLOW = (
    Clients(what="send nothing", sent=b""),
    Clients(what="send half a head", sent=b"GET /neighbour/ HTTP/1.1\r\nHost: localhost\r\nX-H"),
    Clients(
        what="read nothing",
        sent=b"GET /neighbour/large HTTP/1.1\r\nHost: localhost\r\n\r\n",
        settle=4.0,
    ),
    Clients(what="do not close", sent=b"GET /healthy/ HTTP/1.0\r\nHost: localhost\r\n\r\n"),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Asked:
    """What one client was answered: requests a second, and the longest wait in milliseconds."""

    rate: float
    longest: float
    failed: int


def measure(rounds: int | None) -> Section:
    """Measure the healthy app beside slow clients of every kind."""
    with tempfile.TemporaryDirectory(prefix="rowhouse-") as temporary:
        folders = {name: kind.make(Path(temporary) / name) for name, kind in KINDS.items()}
        cases = {
            f"{name}, {clients.what}": _beside(folders[name], kind, clients)
            for clients in SLOW
            for name, kind in KINDS.items()
        }
        measured = interleaved(cases, rounds or ROUNDS, warm_up=False)
    comparisons = []
    for clients in SLOW:
        for name in KINDS:
            each = measured[f"{name}, {clients.what}"]
            comparisons += [
                Comparison(
                    what=f"{name}: hello beside clients that {clients.what}",
                    figures=[getattr(beside, figure) for _, beside in each],
                    beside="alone",
                    others=[getattr(alone, figure) for alone, _ in each],
                    unit=unit,
                )
                for figure, unit in (("rate", "req/s"), ("longest", "ms"))
            ]
    failed = sum(
        beside.failed for clients in SLOW for _, beside in measured[f"Rowhouse, {clients.what}"]
    )
    comparisons.append(
        Comparison(
            what="Rowhouse: failed requests beside all of them",
            figures=[float(failed)],
            beside="none",
            others=[0.0],
            by_difference=True,
            at_most=0.0,
        )
    )
    return Section(
        title=f"clients: a healthy app beside {COUNT} slow clients",
        unit="",
        notes=(
            "One worker with 512 threads each. The healthy app is asked for requests a second, and "
            "the longest wait, over new connections. Where nothing was answered, the wait is as "
            "long as was measured."
        ),
        comparisons=comparisons,
    )


def _beside(folder: Path, kind: Kind, clients: Clients) -> Callable[[int], tuple[Asked, Asked]]:
    """Return what measures one pair, on a server of its own."""

    def measure(number: int) -> tuple[Asked, Asked]:
        with served(folder, *kind.arguments, "--graceful-timeout=1") as server:
            warm_up(server)
            alone = _asked(server.address)
            with _connected(server.address, clients.sent):
                time.sleep(clients.settle)
                return alone, _asked(server.address)

    return measure


def _asked(address: Address) -> Asked:
    waits: list[float] = []
    failed = 0
    began = time.perf_counter()
    while (left := began + SECONDS - time.perf_counter()) > 0:
        asked = time.perf_counter()
        try:
            with socket.create_connection(address, timeout=left) as client:
                client.sendall(f"GET {HELLO} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
                if not client.recv(64).startswith(b"HTTP/1.0 200"):
                    failed += 1
        except TimeoutError:  # this one has waited to the end
            if not waits:
                waits.append(SECONDS)
                failed += 1
            break
        waits.append(time.perf_counter() - asked)
    return Asked(rate=(len(waits) - failed) / SECONDS, longest=max(waits) * 1e3, failed=failed)


@contextlib.contextmanager
def _connected(address: Address, sent: bytes) -> Iterator[None]:
    """Have clients connected that send this, and nothing more, and read nothing."""
    with contextlib.ExitStack() as stack:
        for _ in range(COUNT):
            client = stack.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)  # before it connects
            client.settimeout(TIMEOUT)
            client.connect(address)
            client.sendall(sent)
        yield
