"""Requests that have ended, and a thread that tells of them: many at a time, out of their way.

To log a request and to count its CPU time takes a third as long where it is done for some at once:
what does it is in the processor's caches then, and many lines are written in one call. A client
that has its answer may find its line in the log only :data:`PAUSE` later.

The thread may be lost: a garbage collection in it runs finalizers of any app, and whoever reads
the log may have stopped. Then requests tell of themselves, as they do without this thread.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Sequence
from time import monotonic, sleep  # now: an app may replace them later

from shared_utils.hosting.telemetry.record import Record

PAUSE = 0.01
"""Seconds in which requests are gathered."""
LOST_AFTER = 5.0
"""Seconds without a sign of the thread after which it is held to be lost."""
MOST = 10_000
"""Requests that wait at most; with another one, the thread that ends it tells of all."""


class Backlog:
    """Gathers requests that have ended.

    Args:
        tell: called with some of them, in the order in which they have ended; by several threads
            at once where the one for it is lost.
    """

    def __init__(self, tell: Callable[[Sequence[Record]], object]) -> None:
        self._tell = tell
        self._ended: deque[Record] = deque()
        # When the thread is overdue; 0 while it sleeps.
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
        self._ended.append(record)
        if record.began + record.duration > self._due:
            self._rouse()
        elif len(self._ended) > MOST:
            self._tell_all()

    def end(self, within: float) -> None:
        """Tell of all that is left, and end the thread; give up after some seconds."""
        self._is_over = True
        self._wake()
        self._thread.join(within)

    def _rouse(self) -> None:
        if self._due:
            self._tell_all()
        else:
            self._wake()

    def _wake(self) -> None:
        self._due = monotonic() + LOST_AFTER
        with contextlib.suppress(RuntimeError):  # another request has woken it
            self._asleep.release()

    def _tell_all(self) -> None:
        while ended := self._taken():
            self._tell(ended)

    def _taken(self) -> list[Record]:
        taken: list[Record] = []
        with contextlib.suppress(IndexError):  # there is none left, or another thread has it
            while len(taken) < MOST:
                taken.append(self._ended.popleft())
        return taken

    def _run(self) -> None:
        is_over = False
        while not is_over:
            is_over, self._due = self._is_over, monotonic() + LOST_AFTER
            with contextlib.suppress(BaseException):  # a finalizer of an app, or a handler
                self._tell_all()
            if not self._ended and not self._is_over:
                self._due = 0.0
                if not self._ended:  # else one has ended in between
                    self._asleep.acquire()
            sleep(PAUSE)
