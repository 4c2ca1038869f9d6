"""Every five seconds one of the workers writes down the totals of all, whichever comes first.

A lock is held for the one sample, not for a worker's life: one that hangs, with the interpreter
held by some library, or that is killed, leaves the next sample to another.
"""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from shared_utils.operations import history
from shared_utils.operations.figures import Sample
from shared_utils.operations.totals import totals_of

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

LOCK = "history.lock"

TRIM_EVERY = 60
"""Samples after which a worker drops what is old."""
AGAIN = 0.5
"""Seconds after which is looked again, where another worker is at it."""


class Sampler:
    """Takes its turn at sampling.

    Args:
        folder: where the history is.
        collect: returns the metrics of all workers.
    """

    def __init__(self, folder: Path, collect: Callable[[], Iterable[Metric]]) -> None:
        self._folder, self._path, self._collect = folder, folder / history.FILE, collect
        self._samples = 0

    def sample(self, now: float) -> float:
        """Take a sample where one is due; return the seconds until the next one is.

        Args:
            now: ``time.time()``.

        Raises:
            OSError: the file cannot be written.
        """
        if (left := self._left(now)) > 0:
            return left
        with self._turn() as is_ours:
            if not is_ours:
                return AGAIN
            if (left := self._left(now)) > 0:
                return left
            history.append(self._path, Sample(at=now, apps=totals_of(self._collect())))
            self._samples += 1
            if self._samples % TRIM_EVERY == 1:
                history.trim(self._path, now)
        return history.EVERY

    def _left(self, now: float) -> float:
        """Return the seconds until a sample is due, going by when the file was written."""
        try:
            age = now - self._path.stat().st_mtime
        except OSError:
            return 0.0
        return history.EVERY - age if -1.0 < age < history.EVERY else 0.0

    @contextlib.contextmanager
    def _turn(self) -> Iterator[bool]:
        with (self._folder / LOCK).open("wb") as file:
            try:
                # A record lock: a child that an app forks meanwhile does not hold it.
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                yield False
                return
            yield True
