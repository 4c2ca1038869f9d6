"""Requests that have ended, and a thread that tells of them: many at a time, out of their way.

To log a request and to count its CPU time takes a quarter as long where it is done for many at
once: what does it is in the processor's caches then, and many lines are written in one call. A
client that has its answer may find its line in the log only :data:`PAUSE` later.

The thread may be lost: a garbage collection in it runs finalizers of any app, and whoever reads
the log may have stopped. Then requests tell of themselves, as they do without this thread.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from time import monotonic, sleep  # now: an app may replace them later

from shared_utils.hosting.telemetry.record import Record

PAUSE = 0.05
"""Seconds in which requests are gathered."""
AT_ONCE = 64
"""Requests that are told of together at most: others want the interpreter as well."""
LOST_AFTER = 5.0
"""Seconds without a sign of the thread after which it is held to be lost."""
MOST = 10_000
"""Requests that wait at most; with another one, the thread that ends it tells of all."""


class Backlog:
    """Gathers requests that have ended.

    Args:
        tell: called with some of them, in the order in which they have ended; by several threads
            at once where the one for it is lost. It must not raise.
    """

    def __init__(self, tell: Callable[[Sequence[Record]], object]) -> None:
        self._tell = tell
        self._ended: deque[Record] = deque()
        # When the thread is overdue; 0 while it sleeps, and when it has ended.
        self._due = 0.0
        # Held while it sleeps. No Event: that makes a lock while it holds its own.
        self._asleep = threading.Lock()
        self._asleep.acquire()
        self._is_over = False
        self._thread = threading.Thread(target=self._run, name="rowhouse-telemetry", daemon=True)

    def start(self) -> None:
        """Start the thread.

        Raises:
            RuntimeError: the machine has no thread left.
        """
        self._thread.start()

    def add(self, record: Record) -> None:
        """Take a request that has just ended."""
        # In this order, which is the other way round in `_run`: so one of both sees the other.
        self._ended.append(record)
        if record.began + record.duration > self._due:
            self._rouse()
        elif len(self._ended) > MOST:
            self._tell_all()

    def end(self, within: float) -> None:
        """Tell of all that is left, and end the thread.

        Args:
            within: seconds after which the thread is held to be lost; another one tells of the rest
                then, and has as long.
        """
        self._is_over = True
        self._wake()
        self._thread.join(within)
        if self._thread.is_alive():
            rest = threading.Thread(target=self._tell_all, name="rowhouse-telemetry", daemon=True)
            rest.start()
            rest.join(within)

    def _rouse(self) -> None:
        is_lost = self._due or self._is_over
        self._wake()  # also a lost one: perhaps it only sleeps, and who should wake it was lost
        if is_lost:
            self._tell_all()

    def _wake(self) -> None:
        # Nothing here and below makes what the garbage collector counts and is not needed: a
        # finalizer that hangs would keep the one who wakes the thread from doing so.
        try:  # noqa: SIM105
            self._asleep.release()
        except RuntimeError:  # another request has woken it
            pass

    def _tell_all(self) -> None:
        while ended := self._taken():
            self._tell(ended)

    def _taken(self) -> list[Record]:
        taken: list[Record] = []
        try:
            while len(taken) < AT_ONCE:
                taken.append(self._ended.popleft())
        except IndexError:  # there are no more, or another thread has them
            pass
        return taken

    def _run(self) -> None:
        while not self._is_over:
            self._due = monotonic() + LOST_AFTER
            sleep(PAUSE)
            while ended := self._taken():
                self._tell(ended)
                self._due = monotonic() + LOST_AFTER
                if len(ended) < AT_ONCE:  # the others may gather
                    break
            if not self._ended:
                self._due = 0.0
                if not self._ended and not self._is_over:  # else one has ended in between
                    self._asleep.acquire()
        self._due = 0.0
        self._tell_all()
