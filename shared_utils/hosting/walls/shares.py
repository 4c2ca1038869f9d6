"""Who may run and who may hold a thread: dynamic thresholds over what one worker has.

An app may take another slot while it runs fewer than ``ALPHA`` times the slots that are free, and
hold another thread while it holds fewer than ``ALPHA`` times the threads that are free: Choudhury
and Hahne, "Dynamic queue length thresholds for shared-memory packet switches" (1998). One busy app
gets three quarters of all slots, two get three sevenths each; what is left serves the others.

Plain state without locks, clocks or I/O; ``bulkhead.py`` has those.
"""

from __future__ import annotations

import dataclasses
import math

ALPHA = 3


@dataclasses.dataclass(slots=True, eq=False, kw_only=True)
class Share:
    """What one app has of slots and threads at the moment.

    Attributes:
        max_running: fixed cap on slots, on top of the fair share.
        max_threads: fixed cap on threads held, likewise.
        running: slots that it has.
        held: threads that it holds.
        parked: its requests that wait for a slot, first in, first out.
    """

    max_running: float = math.inf
    max_threads: float = math.inf
    running: int = 0
    held: int = 0
    parked: dict[object, None] = dataclasses.field(default_factory=dict)


class Shares:
    """All slots and threads of one worker.

    Args:
        slots: requests that may run at once; each app that runs nothing may add one.
        threads: threads that may be held at once; each app that holds none may add one.
    """

    def __init__(self, slots: int, threads: int) -> None:
        self.slots, self.threads = slots, threads
        self.running = self.held = 0
        self._waiting: dict[Share, None] = {}

    def hold(self, share: Share) -> bool:
        """Let an app hold another thread, if it may."""
        held = share.held
        if held and not (held < ALPHA * (self.threads - self.held) and held < share.max_threads):
            return False
        share.held = held + 1
        self.held += 1
        return True

    def let_go(self, share: Share) -> None:
        """Take back a thread."""
        share.held -= 1
        self.held -= 1

    def take(self, share: Share) -> bool:
        """Give an app a slot, if it may have one and none of its requests waits already."""
        if share.parked or not self._may_run(share):
            return False
        share.running += 1
        self.running += 1
        return True

    def park(self, share: Share, request: object) -> None:
        """Let a request that got no slot wait for one."""
        share.parked[request] = None
        self._waiting[share] = None

    def withdraw(self, share: Share, request: object) -> bool:
        """Let a request wait no longer; False where it has got its slot meanwhile."""
        if request not in share.parked:
            return False
        self._unpark(share, request)
        return True

    def give_back(self, share: Share) -> list[object]:
        """Take back a slot, and return the parked requests that have got one by it.

        A free slot goes to the app that runs fewest.
        """
        share.running -= 1
        self.running -= 1
        admitted: list[object] = []
        while able := [waiting for waiting in self._waiting if self._may_run(waiting)]:
            next_one = min(able, key=lambda waiting: waiting.running)
            request = next(iter(next_one.parked))
            self._unpark(next_one, request)
            next_one.running += 1
            self.running += 1
            admitted.append(request)
        return admitted

    def _may_run(self, share: Share) -> bool:
        running = share.running
        return not running or (
            running < ALPHA * (self.slots - self.running) and running < share.max_running
        )

    def _unpark(self, share: Share, request: object) -> None:
        del share.parked[request]
        if not share.parked:
            del self._waiting[share]
