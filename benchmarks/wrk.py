"""The load generator: https://github.com/wg/wrk, one thread, connections kept alive.

Every connection sends its next request when it has the answer to the one before, so that what a
request waits for is not counted for those that could not be sent meanwhile.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.client import Address
from benchmarks.pairs import Unmeasurable

GRACE = 10.0
"""Seconds that wrk may take to end, past those that it was given."""

LONGEST = 60
"""Seconds after which a load in the background ends in any case."""

_SCRIPT = Path(__file__).with_suffix(".lua")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Load:
    """What wrk counted.

    Attributes:
        seconds: how long it took.
        answered: answers with a status below 400.
        refused: answers with another one.
        broken: errors of connections, and requests that took more than two seconds.
        latencies: how many answers took so many microseconds, in ascending order.
    """

    seconds: float
    answered: int
    refused: int
    broken: int
    latencies: Sequence[tuple[int, int]]

    @classmethod
    def together(cls, loads: Sequence[Load]) -> Load:
        """Return what came of several, one after the other."""
        return cls(
            seconds=sum(load.seconds for load in loads),
            answered=sum(load.answered for load in loads),
            refused=sum(load.refused for load in loads),
            broken=sum(load.broken for load in loads),
            latencies=sorted(pair for load in loads for pair in load.latencies),
        )

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.answered / self.seconds

    @property
    def p99(self) -> float:
        """Milliseconds that 99 of 100 answers took at most; without one, those that wrk waited."""
        if not self.latencies:
            return self.seconds * 1e3
        beyond = 0.99 * sum(count for _, count in self.latencies)
        counts = itertools.accumulate(count for _, count in self.latencies)
        return next(
            took / 1e3
            for (took, _), count in zip(self.latencies, counts, strict=True)
            if count >= beyond
        )

    @property
    def failed(self) -> int:
        """Requests that got no answer, or another one than they should."""
        return self.refused + self.broken


class Loading:
    """A load that is being made; its result is there when it has ended."""

    result: Load

    def __init__(
        self,
        address: Address,
        path: str,
        connections: int,
        seconds: int,
        queries: Sequence[str] = (),
    ) -> None:
        url = f"http://{address[0]}:{address[1]}{path}"
        self._process = subprocess.Popen(
            [
                *("wrk", "--threads=1", f"--connections={connections}"),
                *(f"--duration={seconds}s", f"--script={_SCRIPT}", url, "--", *queries),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._given = seconds + GRACE

    def interrupt(self) -> None:
        """End it before its time."""
        self._process.send_signal(signal.SIGINT)

    def wait(self) -> Load:
        """Return what it counted, when it has ended."""
        try:
            told, _ = self._process.communicate(timeout=self._given)
        finally:
            self._process.kill()
        line = told.rstrip().rpartition("\n")[2]
        if self._process.returncode or not line.startswith("{"):
            raise RuntimeError(f"wrk failed:\n{told[-2000:]}")
        counted = json.loads(line)
        self.result = Load(
            seconds=counted["seconds"],
            answered=counted["all"] - counted["refused"],
            refused=counted["refused"],
            broken=counted["broken"],
            latencies=[(took, count) for took, count in counted["latencies"]],
        )
        return self.result


def require() -> None:
    """Raise ``Unmeasurable`` where wrk is not installed."""
    if shutil.which("wrk") is None:
        raise Unmeasurable("wrk is not on PATH. Install it: apt-get install wrk, brew install wrk")


def load(
    address: Address, path: str, connections: int, seconds: int, queries: Sequence[str] = ()
) -> Load:
    """Make a load, and return what came of it.

    Args:
        queries: what requests have behind the path, some in a row the same one, which is chosen by
            chance; default: nothing.
    """
    return Loading(address, path, connections, seconds, queries).wait()


@contextlib.contextmanager
def loading(address: Address, path: str, connections: int) -> Iterator[Loading]:
    """Make a load while the block runs, at most for ``LONGEST`` seconds."""
    made = Loading(address, path, connections, LONGEST)
    try:
        yield made
    finally:
        made.interrupt()
        made.wait()
