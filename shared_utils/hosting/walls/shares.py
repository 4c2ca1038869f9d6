"""Who may run and who may hold a thread: dynamic thresholds over what one worker has.

An app may take another slot while it runs fewer than ``ALPHA`` times the slots that are free, and
hold another thread while it holds fewer than ``ALPHA`` times the threads that are free: Choudhury
and Hahne, "Dynamic queue length thresholds for shared-memory packet switches" (1998). One busy app
gets three quarters of all slots, two get three sevenths each; what is left serves the others.

Plain state without locks, clocks or I/O; ``bulkhead.py`` has those. It is changed under a lock,
where no code of an app may run: a garbage collection would run finalizers of whatever is garbage
then. So nothing is made here that the collector counts: no lists, iterators or closures.

To give a slot or a thread back takes no lock, and may be done in the middle of anything. So they
are counted by lists of as many marks, which lose one in a single step, and not by numbers. Who
looks meanwhile sees rather too many than too few.
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
        running: a mark for each slot that it has.
        held: a mark for each thread that it holds.
        allowance: how many requests it may run at once for the CPU time that it takes.
        parked: how many of its requests wait for a slot.
        queue: these, first in, first out, and some that have given up.
    """

    max_running: float = math.inf
    max_threads: float = math.inf
    allowance: float = math.inf
    running: list[None] = dataclasses.field(default_factory=list)
    held: list[None] = dataclasses.field(default_factory=list)
    parked: int = 0
    queue: deque[Parked] = dataclasses.field(default_factory=deque)


class Shares:
    """All slots and threads of one worker.

    Args:
        slots: requests that may run at once; each app that runs nothing may add one.
        threads: threads that may be held at once; each app that holds none may add one.

    Attributes:
        running: a mark for each slot that any app has.
        held: a mark for each thread that any app holds.
        waiting: apps that have parked requests.
        are_parents: this process was forked from the one whose shares they are.
    """

    def __init__(self, slots: int, threads: int) -> None:
        self.slots, self.threads = slots, threads
        self.running: list[None] = []
        self.held: list[None] = []
        self.waiting: list[Share] = []
        self.are_parents = False

    def hold(self, share: Share, at_once: bool = False) -> bool | None:
        """Let an app hold another thread, if it may.

        Args:
            share: the app's.
            at_once: give it a slot as ``take`` does.

        Returns:
            Whether it was given a slot; None where it may hold no more threads.
        """
        held = len(share.held)
        if held and not (
            held < ALPHA * (self.threads - len(self.held)) and held < share.max_threads
        ):
            return None
        share.held.append(None)
        self.held.append(None)
        # As `take` does it: a call would be a part of what each request costs.
        if not at_once or share.parked or (share.running and not self._may_run(share)):
            return False
        share.running.append(None)
        self.running.append(None)
        return True

    def take(self, share: Share) -> bool:
        """Give an app a slot, if it may have one and none of its requests waits already."""
        if share.parked or (share.running and not self._may_run(share)):
            return False
        share.running.append(None)
        self.running.append(None)
        return True

    def stop(self, share: Share) -> bool:
        """Take back a slot, without the lock; say whether ``admit`` is to be called after that."""
        share.running.pop()
        self.running.pop()
        return bool(self.waiting)

    def let_go(self, share: Share) -> None:
        """Take back a thread, without the lock."""
        share.held.pop()
        self.held.pop()

    def park(self, share: Share, request: Parked) -> None:
        """Let a request that got no slot wait for one.

        Where a slot was given back since, nobody was waiting yet: so ``admit`` is to be called.
        """
        if not share.parked:
            self.waiting.append(share)
        share.parked += 1
        share.queue.append(request)
        request.waits = True

    def withdraw(self, share: Share, request: Parked) -> bool:
        """Let a request wait no longer; False where it has got its slot meanwhile."""
        if not request.waits:
            return False
        self._unpark(share, request)
        return True

    def admit(self) -> Parked | None:
        """Give a free slot to a parked request, of the app that runs fewest; None where none may.

        To be called until there is none: one free slot may let several go.
        """
        fewest: Share | None = None
        for n in range(len(self.waiting)):
            share = self.waiting[n]
            if self._may_run(share) and (
                fewest is None or len(share.running) < len(fewest.running)
            ):
                fewest = share
        if fewest is None:
            return None
        request = fewest.queue[0]
        self._unpark(fewest, request)
        fewest.running.append(None)
        self.running.append(None)
        return request

    def _may_run(self, share: Share) -> bool:
        running = len(share.running)
        return not running or (
            running < ALPHA * (self.slots - len(self.running))
            and running < share.max_running
            and running < share.allowance
        )

    def is_held_back(self, share: Share) -> bool:
        """Say whether an app may run no more for the CPU time that it takes, whatever is free."""
        return len(share.running) >= share.allowance

    def _unpark(self, share: Share, request: Parked) -> None:
        request.waits = False
        share.parked -= 1
        if not share.parked:
            self.waiting.remove(share)
        while share.queue and not share.queue[0].waits:
            share.queue.popleft()
