"""Requests that have ended, told of many at a time.

To log a request and to count its CPU time takes a quarter as long where it is done for many at
once: what does it is in the processor's caches then, and many lines are written in one call. It is
done by the request that ends as the last of :data:`AT_ONCE`: another thread would want the
interpreter while requests do. For what is left over there is one all the same, which looks more and
more rarely as long as requests do without it.

That thread may be lost: a garbage collection in it runs finalizers of any app, and whoever reads
the log may have stopped. Then requests tell of themselves, as they do without it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from time import monotonic  # now: an app may replace it later

from shared_utils.hosting.telemetry.record import Record

AT_ONCE = 128
"""Requests that are told of together; the next one in that thread waits for it, which is less than
one in a hundred. Nearly half of what it takes for 64 is to write their lines to a file."""
PAUSE = 0.05
"""Seconds that a request waits for others."""
LONGEST = 0.8
"""Seconds that it may be where there were more than enough of them up to then."""
LOST_AFTER = 5.0
"""Seconds without a sign of the thread after which it is held to be lost."""


class Backlog:
    """Gathers requests that have ended.

    Args:
        tell: called with some of them, in the order in which they have ended; by several threads
            at once, it may be. It must not raise.
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
        # First, as `_run` looks for it last: so one of both sees the other.
        self._ended.append(record)
        if len(self._ended) >= AT_ONCE or self._is_over:
            self._tell(self._taken())
        elif record.began + record.duration > self._due:
            if self._due:  # it is lost
                self._tell(self._taken())
            else:
                self._wake()

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
            try:
                rest.start()
            except RuntimeError:  # the machine has no thread left
                self._tell_all()
            else:
                rest.join(within)

    def forget(self) -> None:
        """In a forked process: tell of nothing, which is the parent's to do."""
        self._is_over = True
        self._ended.clear()

    def _wake(self) -> None:
        # This makes nothing that the garbage collector counts: a finalizer that hangs would keep
        # the thread asleep.
        try:  # noqa: SIM105
            self._asleep.release()
        except RuntimeError:  # another request has woken it
            pass

    def _taken(self) -> list[Record]:
        taken: list[Record] = []
        try:
            for _ in range(AT_ONCE):
                taken.append(self._ended.popleft())
        except IndexError:  # there are no more, or another thread has them
            pass
        return taken

    def _tell_all(self) -> None:
        while ended := self._taken():
            self._tell(ended)

    def _have_waited(self) -> bool:
        """Say whether there are requests of which nobody will tell who ends as one of many."""
        try:
            oldest = self._ended[0]
        except IndexError:
            return False
        return oldest.began + oldest.duration < monotonic() - PAUSE

    def _run(self) -> None:
        pause = PAUSE
        while not self._is_over:
            self._due = monotonic() + LOST_AFTER
            self._asleep.acquire(timeout=pause)  # the end does not wait for it
            if self._have_waited():
                pause = PAUSE
                self._tell(self._taken())
            elif self._ended:
                pause = min(2 * pause, LONGEST)
            if not self._ended:
                self._due = 0.0
                if not self._ended and not self._is_over:  # else one has ended in between
                    self._asleep.acquire()
        self._due = 0.0
        self._tell_all()
