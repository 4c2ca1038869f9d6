"""Threads that take turns: as few of them at once as keep the process busy.

One thread at a time runs Python. Others that could run too wait for the interpreter's lock, and
take it over at each call to the system: a convoy that costs a third of what a worker could answer
(`make bench` measures it). So a thread takes one job after the other while the rest of them rest.
It has a turn until its job is done, or for `TURN` seconds: a job that takes longer may be blocked,
and must not keep others waiting. How many turns there are at once follows from how busy the process
is while jobs wait: one where they compute, more where each is blocked for a while.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable
from time import monotonic, process_time
from typing import Generic, TypeVar

from shared_utils.hosting import clocks

TURN = 0.001
"""Seconds that a job has to itself."""

MOST = 4
"""Turns at once where jobs wait for something: more of them are in each other's way."""

WINDOW = 0.02
"""Seconds over which it is found out how busy the process is."""

IDLE, BUSY = 0.85, 0.95
"""Seconds of CPU a second, below which there is a turn too few, and above which, one too many."""

Job = TypeVar("Job")


class Pool(Generic[Job]):
    """Threads that are started as they are needed. Jobs begin in the order they came.

    ``put``, ``nap``, ``look`` and ``shutdown`` are called by one thread, the one that jobs come
    from. While jobs wait, it calls ``look`` every `TURN` seconds.

    Args:
        answer: does a job, in one of the threads; it must not raise.
        size: threads, at most.
    """

    def __init__(self, answer: Callable[[Job], object], size: int) -> None:
        self._answer, self._size = answer, size
        # Held for a few steps of this module's own code, in which no garbage is collected: the
        # finalizer of an app must not run there. Threads of the pool take it without `with`, which
        # makes something as it ends; the main thread takes it so, for the sake of its signals.
        self._lock = threading.Lock()
        self._jobs: deque[Job] = deque()
        self._resting: list[threading.Lock] = []
        """Threads, by the lock that each rests on; the last one's caches are warm."""
        self._returning: deque[threading.Lock] = deque()
        """Those that ask for a turn in the midst of their job, likewise."""
        self._turns: dict[threading.Lock, float] = {}
        """When each of the threads that have a turn began with its job."""
        self._own = threading.local()
        self._threads: list[threading.Lock] = []
        """All of them, by the same locks."""
        self._most = 1
        self._naps = False
        self._is_dry = threading.Lock()
        """Released for the one that naps."""
        self._has_ended = False
        self._ran_dry = True
        self._weighed_at = self._used = 0.0

    @property
    def are_waiting(self) -> bool:
        """Whether there are jobs that no thread has begun."""
        return bool(self._jobs)

    def nap(self) -> bool:
        """Wait until the last job that waits is begun, but no longer than a turn takes.

        Whoever brings jobs does not want the interpreter meanwhile, which those need that it has
        brought: to hand it over for each further one costs a twentieth of what a worker could
        answer.

        Returns:
            Whether there are no more.
        """
        self._is_dry.acquire(blocking=False)  # the last time, that came when it was up already
        with self._lock:
            self._naps = bool(self._jobs)
        if self._naps:
            self._is_dry.acquire(timeout=TURN)
            self._naps = False
        return not self._jobs

    def put(self, job: Job) -> None:
        """Have a job done.

        Raises:
            RuntimeError: the system allows not even one thread.
        """
        with self._lock:
            self._jobs.append(job)
            must_start = len(self._turns) < self._most and not self._wake()
        if must_start:
            self._start()

    def give_way(self) -> None:
        """End the turn of the thread that calls this: it is about to wait for something."""
        thread: threading.Lock | None = getattr(self._own, "lock", None)
        if thread is None:  # none of this pool's
            return
        self._lock.acquire()
        try:
            if self._turns.pop(thread, None) is None:
                return
            if (self._returning or self._jobs) and len(self._turns) < self._most:
                self._wake()
        finally:
            self._lock.release()

    def take_turn(self) -> None:
        """Have a turn again for what is left of a job that has waited: before those that wait.

        Each call to the system that a thread makes without one costs another thread the
        interpreter, and then itself. It waits for a turn as long as one takes, and goes on without
        where none has come: who has it may be blocked.
        """
        me: threading.Lock | None = getattr(self._own, "lock", None)
        if me is None:  # none of this pool's
            return
        self._lock.acquire()
        try:
            if me in self._turns:
                return
            if len(self._turns) < self._most:
                self._turns[me] = monotonic()
                return
            self._returning.append(me)
        finally:
            self._lock.release()
        has_come = me.acquire(timeout=TURN)
        self._lock.acquire()
        try:
            if me in self._returning:
                self._returning.remove(me)
                return
        finally:
            self._lock.release()
        if not has_come:  # it came in between
            me.acquire()

    def look(self) -> None:
        """End turns that have lasted long enough, and give those that are free."""
        now = monotonic()
        if now - self._weighed_at >= WINDOW:
            self._weigh(now)
        if not self._jobs:  # who asks for a turn again waits for no longer than one
            return
        # No list of pairs: those may set off a garbage collection, in which turns begin and end.
        for thread in list(self._turns):
            if now - self._turns.get(thread, now) >= TURN:
                # It may have begun with its next job since: then there is a turn more for once.
                self._turns.pop(thread, None)
        with self._lock:
            free = self._most - len(self._turns)
            waiting = len(self._jobs) + len(self._returning)
            if waiting < free:  # no min(): that may set off a garbage collection
                free = waiting
            while free > 0 and self._wake():
                free -= 1
        for _ in range(free):
            self._start()

    def shutdown(self, wait: bool = False) -> None:
        """Have the threads end that rest, and the others when they are done: nobody waits for them.

        It is called as that of ``concurrent.futures`` is, which gunicorn knows.
        """
        # Without the lock: a signal may have come while it is held.
        self._has_ended = True
        for thread in self._threads:  # one may be on its way from a rest to a turn
            if thread.locked():
                with contextlib.suppress(RuntimeError):  # it was given a turn in between
                    thread.release()

    def _weigh(self, now: float) -> None:
        """See how busy the process has been since the last time, and whether jobs had to wait."""
        used = process_time()
        busy = (used - self._used) / (now - self._weighed_at)
        if self._ran_dry or busy > BUSY:
            self._most = max(1, self._most - 1)
        elif busy < IDLE:
            self._most = min(MOST, self._most + 1)
        self._weighed_at, self._used, self._ran_dry = now, used, not self._jobs

    def _wake(self) -> bool:
        """Give a turn to a thread that asks for one, or else to one that rests.

        False where there is none. Needs the lock.
        """
        now = monotonic()  # first: it fails where the thread has recursed too deep
        if self._returning:
            thread = self._returning.popleft()
        elif self._resting:
            thread = self._resting.pop()
        else:
            return False
        self._turns[thread] = now
        if thread.locked():  # else the end of the pool has woken it
            # As in the backlog: nothing that the garbage collector counts is made before this.
            try:  # noqa: SIM105
                thread.release()
            except RuntimeError:  # it has just done so
                pass
        return True

    def _start(self) -> None:
        """Start another thread, if there may be one."""
        number = len(self._threads)
        if number >= self._size:
            return
        thread = threading.Lock()
        thread.acquire()
        self._threads.append(thread)
        try:
            name = f"rowhouse-pool-{number}"
            threading.Thread(target=self._run, args=(thread,), name=name).start()
        except RuntimeError:  # a limit of processes, or of memory
            self._threads.pop()
            if not number:
                raise

    def _run(self, me: threading.Lock) -> None:
        self._own.lock = me
        clocks.show()
        while True:
            job = self._next(me)
            if job is not None:
                self._answer(job)
                del job  # or what it holds would live until the next one comes
            elif not self._has_ended:  # looked at last: who ends the pool later finds it resting
                me.acquire()
            elif self._leaves(me):
                return

    def _leaves(self, me: threading.Lock) -> bool:
        """Rest no more, as the pool has ended; False where a turn was given meanwhile."""
        self._lock.acquire()
        try:
            if me in self._resting:
                self._resting.remove(me)
                return True
        finally:
            self._lock.release()
        return False

    def _next(self, me: threading.Lock) -> Job | None:
        """Return a job and have a turn, or rest."""
        self._lock.acquire()
        try:
            self._turns.pop(me, None)
            if self._has_ended and me in self._resting:  # the end of the pool has woken it
                self._resting.remove(me)
            while self._returning and len(self._turns) < self._most:
                self._wake()
            if self._jobs and len(self._turns) < self._most:
                self._turns[me] = monotonic()
                job = self._jobs.popleft()
                if self._naps and not self._jobs and self._is_dry.locked():
                    self._naps = False
                    self._is_dry.release()
                return job
            self._ran_dry = self._ran_dry or not self._jobs
            self._resting.append(me)
        finally:
            self._lock.release()
        return None
