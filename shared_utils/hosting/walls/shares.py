"""Who may run and who may hold a thread: dynamic thresholds over what one worker has.

An app may take another slot while it runs fewer than ``ALPHA`` times the slots that are free, and
hold another thread while it holds fewer than ``ALPHA`` times the threads that are free: Choudhury
and Hahne, "Dynamic queue length thresholds for shared-memory packet switches" (1998). One busy app
gets three quarters of all slots, two get three sevenths each; what is left serves the others.

Plain state without locks, clocks or I/O; ``bulkhead.py`` has those. It is changed under a lock,
where no code of an app may run: a garbage collection would run finalizers of whatever is garbage
then. So nothing is made here that the collector counts: no lists, iterators or closures.
"""

from __future__ import annotations

import dataclasses
import math
from collections import deque

ALPHA = 3


class Parked:
    """A request that wants a slot.

    Attributes:
        waits: it is parked.
    """

    __slots__ = ("waits",)

    def __init__(self) -> None:
        self.waits = False


@dataclasses.dataclass(slots=True, eq=False, kw_only=True)
class Share:
    """What one app has of slots and threads at the moment.

    Attributes:
        max_running: fixed cap on slots, on top of the fair share.
        max_threads: fixed cap on threads held, likewise.
        running: slots that it has.
        held: threads that it holds.
        allowance: how many requests it may run at once for the CPU time that it takes.
        parked: how many of its requests wait for a slot.
        queue: these, first in, first out, and some that have given up.
    """

    max_running: float = math.inf
    max_threads: float = math.inf
    allowance: float = math.inf
    running: int = 0
    held: int = 0
    parked: int = 0
    queue: deque[Parked] = dataclasses.field(default_factory=deque)


class Shares:
    """All slots and threads of one worker.

    Args:
        slots: requests that may run at once; each app that runs nothing may add one.
        threads: threads that may be held at once; each app that holds none may add one.
    """

    def __init__(self, slots: int, threads: int) -> None:
        self.slots, self.threads = slots, threads
        self.running = self.held = 0
        self._waiting: list[Share] = []

    @property
    def are_parked(self) -> bool:
        """Whether any request waits for a slot."""
        return bool(self._waiting)

    def hold(self, share: Share, at_once: bool = False) -> bool | None:
        """Let an app hold another thread, if it may.

        Args:
            share: the app's.
            at_once: give it a slot as ``take`` does.

        Returns:
            Whether it was given a slot; None where it may hold no more threads.
        """
        held = share.held
        if held and not (held < ALPHA * (self.threads - self.held) and held < share.max_threads):
            return None
        share.held = held + 1
        self.held += 1
        # As `take` does it: a call would be a part of what each request costs.
        running = share.running
        if not at_once or share.parked or (running and not self._may_run(share)):
            return False
        share.running = running + 1
        self.running += 1
        return True

    def let_go(self, share: Share) -> None:
        """Take back a thread."""
        share.held -= 1
        self.held -= 1

    def take(self, share: Share) -> bool:
        """Give an app a slot, if it may have one and none of its requests waits already."""
        if share.parked or (share.running and not self._may_run(share)):
            return False
        share.running += 1
        self.running += 1
        return True

    def park(self, share: Share, request: Parked) -> None:
        """Let a request that got no slot wait for one."""
        if not share.parked:
            self._waiting.append(share)
        share.parked += 1
        share.queue.append(request)
        request.waits = True

    def withdraw(self, share: Share, request: Parked) -> bool:
        """Let a request wait no longer; False where it has got its slot meanwhile."""
        if not request.waits:
            return False
        self._unpark(share, request)
        return True

    def give_back(self, share: Share) -> Parked | None:
        """Take back a slot; give it to a parked request as ``admit`` does."""
        share.running -= 1
        self.running -= 1
        return self.admit() if self._waiting else None

    def admit(self) -> Parked | None:
        """Give a free slot to a parked request, of the app that runs fewest; None where none may.

        To be called until there is none: one free slot may let several go.
        """
        fewest: Share | None = None
        for n in range(len(self._waiting)):
            share = self._waiting[n]
            if self._may_run(share) and (fewest is None or share.running < fewest.running):
                fewest = share
        if fewest is None:
            return None
        request = fewest.queue[0]
        self._unpark(fewest, request)
        fewest.running += 1
        self.running += 1
        return request

    def _may_run(self, share: Share) -> bool:
        running = share.running
        return not running or (
            running < ALPHA * (self.slots - self.running)
            and running < share.max_running
            and running < share.allowance
        )

    def is_held_back(self, share: Share) -> bool:
        """Say whether an app may run no more for the CPU time that it takes, whatever is free."""
        return share.running >= share.allowance

    def _unpark(self, share: Share, request: Parked) -> None:
        request.waits = False
        share.parked -= 1
        if not share.parked:
            self._waiting.remove(share)
        while share.queue and not share.queue[0].waits:
            share.queue.popleft()
