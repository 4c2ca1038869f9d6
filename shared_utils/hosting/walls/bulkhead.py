"""The bulkhead: slots and threads of one worker process, shared by all apps.

One lock guards the shares. It is held for a few steps of this package's own code, in which nothing
waits and no garbage is collected, so that it is free whatever an app does. What nobody waits for is
given back without it.
"""

from __future__ import annotations

import dataclasses
import math
import threading
from collections.abc import Callable, Mapping

from shared_utils.hosting.settings.schema import Limits
from shared_utils.hosting.walls.shares import Parked, Share, Shares


class Waiting(Parked):
    """Stands in the queue for a request that waits for its slot.

    Not the request itself: whoever lets go of that last may have the lock, or be a neighbour, and
    what it holds may be an app's.
    """

    __slots__ = ("_slot_is_there",)

    def __init__(self) -> None:
        super().__init__()
        self._slot_is_there = threading.Lock()
        self._slot_is_there.acquire()

    def wake(self) -> None:
        """Say that it was given a slot."""
        self._slot_is_there.release()

    def has_come(self, timeout: float) -> bool:
        """Wait for that, up to ``timeout`` seconds."""
        return self._slot_is_there.acquire(timeout=min(max(timeout, 0), threading.TIMEOUT_MAX))


class Permit:
    """What one request holds: a thread, and a slot while it runs.

    Args:
        bulkhead: where it is held.

    Attributes:
        bulkhead: the same.
        runs: it has a slot.
        shares: of the process that it was given in.
    """

    shares: Shares
    runs = False
    _share: Share | None = None
    """Of its mount, while it holds a thread."""

    def __init__(self, bulkhead: Bulkhead) -> None:
        self.bulkhead = bulkhead

    def hold(self, name: str, at_once: bool = False) -> bool:
        """Hold a thread; say whether the mount may hold one more.

        Args:
            name: the mount.
            at_once: take a slot as well, where one is free.
        """
        bulkhead = self.bulkhead
        if bulkhead.is_abandoned:
            bulkhead.is_abandoned = False
            bulkhead.admit()
        shares, share, lock = bulkhead.shares, bulkhead.of[name], bulkhead.lock
        lock.acquire()  # not by `with`, which takes longer
        try:
            runs = shares.hold(share, at_once)
        finally:
            lock.release()
        if runs is None:
            return False
        self.shares, self._share, self.runs = shares, share, runs
        return True

    def run(self, timeout: float, patience: float = 0.0) -> bool:
        """Wait for a slot, unless it has one; say whether it has come.

        Args:
            timeout: seconds that it waits.
            patience: seconds that it waits in all where its app may run no more for the CPU time
                that it takes: beside those that it waits for it would be done as late.
        """
        share = self._share
        if self.runs or share is None:
            return self.runs
        lock, shares = self.bulkhead.lock, self.shares
        with lock:
            self.runs = shares.take(share)
        if self.runs:
            return True
        self.bulkhead.before_waiting()
        waiting = Waiting()  # not under the lock: see shares.py
        with lock:
            self.runs = shares.take(share)
            if not self.runs:
                shares.park(share, waiting)
        if self.runs:
            return True
        self.bulkhead.admit()  # what was given back until then; nobody was told
        self.bulkhead.on_parked()
        if not waiting.has_come(timeout) and not (
            shares.is_held_back(share) and waiting.has_come(patience - timeout)
        ):
            with lock:
                has_given_up = shares.withdraw(share, waiting)
            if has_given_up:
                return False
        self.runs = True
        return True

    def stop(self) -> None:
        """Give the slot back, where it has one."""
        share = self._share
        if self.runs and share is not None:
            self.runs = False
            shares = self.shares
            if shares.waiting:
                bulkhead = self.bulkhead
                with bulkhead.lock:  # or another app could take it before those who wait
                    shares.stop(share)
                    admitted = bulkhead.shares.admit()
                bulkhead.let_run(admitted)
            else:
                # As `Shares.stop` does it, and `let_go` below: each call is a part of what all
                # requests cost.
                share.running.pop()
                shares.running.pop()
                if shares.waiting:  # somebody has begun to wait
                    self.bulkhead.admit()

    def let_go(self) -> None:
        """Give back all that it holds."""
        if self.runs:
            self.stop()
        share = self._share
        if share is not None:
            self._share = None
            share.held.pop()
            self.shares.held.pop()

    @property
    def is_of_parent(self) -> bool:
        """Whether this process was forked since it was given."""
        return self.shares.are_parents

    def __del__(self) -> None:
        """See that nothing is lost with a response that nobody has closed.

        Whoever waits is woken by the next request, not here: this may run in the middle of
        anything, under the lock as well.
        """
        share = self._share
        if share is not None:
            # First: what is collected with this may come back, and close its response after all.
            runs, self.runs, self._share = self.runs, False, None
            if runs:
                self.shares.stop(share)
                self.bulkhead.is_abandoned = True
            self.shares.let_go(share)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Load:
    """What one app has in this process at the moment."""

    running: int
    parked: int
    threads: int


class Bulkhead:
    """Slots and threads of this process.

    Args:
        slots: ``[host] slots``.
        threads: ``[host] threads``.
        limits: those of each mount, by name.

    Attributes:
        before_waiting: called in a thread that is about to wait, for a slot or in an app; it must
            not raise.
        after_waiting: called where an app has waited and is done; likewise.
        on_parked: called where a request waits for a slot; likewise.
        lock: held where the shares are changed, but for what is given back; by this module alone.
        shares: those of this process, not those of the one it was forked from.
        of: what each mount has of them, by name.
        is_abandoned: a slot was given back and nobody told those who wait for one.
    """

    def __init__(self, slots: int, threads: int, limits: Mapping[str, Limits]) -> None:
        self._configured = self._size = (slots, threads)
        self._limits = dict(limits)
        self.before_waiting: Callable[[], None] = lambda: None
        self.after_waiting: Callable[[], None] = lambda: None
        self.on_parked: Callable[[], None] = lambda: None
        self._begin()

    def reset(self) -> None:
        """Begin anew: in a forked process nothing runs, and nobody holds the lock."""
        self.shares.are_parents = True
        self._begin()

    def _begin(self) -> None:
        self.lock = threading.Lock()
        self.is_abandoned = False
        self.shares = Shares(*self._size)
        self.of = {name: _share(limits) for name, limits in self._limits.items()}

    def scale(self, threads: int) -> None:
        """Be as large as gunicorn is: with other ``threads`` there are other slots as well."""
        slots, of = self._configured
        self._size = (max(1, round(slots * threads / of)), threads)
        with self.lock:
            self.shares.slots, self.shares.threads = self._size

    def place(self, name: str, limits: Limits) -> None:
        """Take on other limits of a mount."""
        self._limits[name] = limits
        told, share = _share(limits), self.of[name]
        with self.lock:
            share.max_running, share.max_threads = told.max_running, told.max_threads

    @property
    def are_parked(self) -> bool:
        """Whether any request waits for a slot."""
        return bool(self.shares.waiting)

    def allow(self, allowances: Mapping[str, float]) -> None:
        """Let mounts run as many requests at once as their CPU time leaves room for.

        Those that run go on where it is fewer than there are.
        """
        for name, allowance in allowances.items():
            self.of[name].allowance = allowance
        self.admit()

    def admit(self) -> None:
        """Let those parked requests run that there are slots for."""
        with self.lock:
            admitted = self.shares.admit()
        self.let_run(admitted)

    def let_run(self, admitted: Parked | None) -> None:
        """Wake a parked request that was given a slot, and all that there are slots for besides."""
        while admitted is not None:
            assert isinstance(admitted, Waiting)
            admitted.wake()
            with self.lock:
                admitted = self.shares.admit()

    def load(self, name: str) -> Load:
        """Return what the mount has now."""
        share = self.of[name]
        with self.lock:
            running, parked, held = len(share.running), share.parked, len(share.held)
        return Load(running=running, parked=parked, threads=held)


def _share(limits: Limits) -> Share:
    return Share(
        max_running=limits.max_running or math.inf, max_threads=limits.max_threads or math.inf
    )
