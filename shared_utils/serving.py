"""How this process is served: how many there are of its kind, and how many threads each has.

The server says so when it has started a worker; before, and in a command, it is one process.
"""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class Serving:
    """What a process knows of itself and its like.

    Attributes:
        workers: processes that serve the same apps, this one included.
        threads: threads of each that may be at work at once.
    """

    workers: int = 1
    threads: int = 16


_serving = Serving()


def begin(*, workers: int, threads: int) -> None:
    """Say how this process is served from now on."""
    global _serving
    _serving = Serving(workers=max(1, workers), threads=max(1, threads))


def current() -> Serving:
    """Return how this process is served."""
    return _serving
