"""The slowest and the failed requests of late, for each mount in this worker.

Requests end in many threads at once. Nothing here takes a lock: a garbage collection under one
could run a finalizer of an app. What is done in one step of the interpreter is whole; a look at the
slowest that comes in between two others may lose one of them.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Iterable

from shared_utils.hosting.telemetry.record import Record

MOST = 20
"""Requests of each kind that are kept for a mount."""
FOR = 15 * 60.0
"""Seconds that a slow one is kept."""

_numbers = itertools.count()


class Kept:
    """What is kept of one mount.

    Attributes:
        failed: those answered with 5xx, or that were not answered to their end; oldest first.
        floor: seconds that the quickest of the slowest took; -1 where there is room for others.
        until: when the oldest of them has to make room (``time.monotonic()``).
    """

    def __init__(self) -> None:
        self.failed: deque[Record] = deque(maxlen=MOST)
        self._heap: list[tuple[float, int, Record]] = []
        self.floor = -1.0
        self.until = 0.0

    def slow(self, record: Record) -> None:
        """Keep a request, where it is among the slowest."""
        heap = self._heap
        if record.began >= self.until:
            oldest = record.began - FOR
            heap = self._heap = [entry for entry in heap if entry[2].began >= oldest]
            heapq.heapify(heap)
            self.until = min((entry[2].began for entry in heap), default=record.began) + FOR
        entry = (record.duration, next(_numbers), record)
        if len(heap) < MOST:
            heapq.heappush(heap, entry)
        else:
            heapq.heappushpop(heap, entry)
        self.floor = heap[0][0] if len(heap) >= MOST else -1.0

    def slowest(self, now: float) -> list[Record]:
        """Return the slowest, slowest first; ``now`` is ``time.monotonic()``."""
        young = [entry for entry in list(self._heap) if entry[2].began >= now - FOR]
        return [record for _, _, record in sorted(young, reverse=True)]


class Recent:
    """What is kept of each mount.

    Args:
        names: the mounts.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.mounts = {name: Kept() for name in names}

    def reset(self) -> None:
        """Begin anew, in a forked process."""
        self.mounts = {name: Kept() for name in self.mounts}

    def note(self, records: Iterable[Record]) -> None:
        """Look at requests that have ended."""
        for record in records:
            kept = self.mounts.get(record.app)
            if kept is None:
                continue
            if record.duration > kept.floor or record.began >= kept.until:
                kept.slow(record)
            # What the host answers is not the app's failure.
            if record.failure or (record.status >= 500 and not (record.shed or record.unserved)):
                kept.failed.append(record)
