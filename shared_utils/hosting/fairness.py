"""Sees to it that apps which compute leave the others their share of a worker's CPU time.

What each app takes is looked at while requests end, and while any is parked; what follows from it
is worked out in :mod:`shared_utils.hosting.walls.allowances`.
"""

from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import Sequence
from time import monotonic, process_time, sleep  # now: an app may replace them later

from shared_utils.hosting import clocks
from shared_utils.hosting.telemetry.record import Record
from shared_utils.hosting.telemetry.recorder import Recorder
from shared_utils.hosting.walls.allowances import FIRST, Seen, adjusted
from shared_utils.hosting.walls.bulkhead import Bulkhead

EVERY, SELDOM = 0.05, 0.2
"""Seconds between two looks, at least: while something changes, and where nothing has for a while.
A look takes some microseconds for each request that runs, in which none goes on."""

LOST_AFTER = 5.0
"""Seconds without a look after which the thread that should have had it is held to be lost."""

SWITCH_INTERVAL = 0.0002
"""Seconds after which a thread that computes lets another one have the interpreter, while requests
compute for long: so long another waits each time that it has called the system. With half as many
a healthy app answers no more. Python has 25 times as many, and where none computes for long, a
worker answers a tenth more with those."""

COMPUTING = 0.1
"""Part of the time that a request takes which computes, be it beside some others."""

LONG, PART = 0.002, 0.2
"""Seconds that a request has waited for its thread, and the part of all its time, from which on
that is too long."""


class _Taken:
    """What the requests of one app have taken since the last look."""

    __slots__ = ("count", "lasted", "used", "waited")

    def __init__(self) -> None:
        self.count, self.used, self.waited, self.lasted = 0, 0.0, 0.0, 0.0

    @property
    def has_waited(self) -> bool:
        """Whether its requests have waited too long for their threads, on average."""
        return self.waited > LONG * self.count and self.waited > PART * self.lasted


class Fairness:
    """Looks at the apps of this process.

    Args:
        recorder: knows what runs, and tells what has ended.
        bulkhead: is told how many requests each app may run.
        names: the apps.
    """

    def __init__(self, recorder: Recorder, bulkhead: Bulkhead, names: Sequence[str]) -> None:
        self._recorder, self._bulkhead = recorder, bulkhead
        self._names = frozenset(names)
        self._allowances: dict[str, float] = {}
        """Of apps that had something to do at the last look."""
        self._taken: dict[str, _Taken] = {}
        self._usual = sys.getswitchinterval()
        """The switch interval where nobody computes."""
        self._looked_at, self._used, self._pause = monotonic(), process_time(), EVERY
        self._looking = threading.Lock()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        # When the thread is overdue; 0 while it sleeps.
        self._due = 0.0
        self._asleep = threading.Lock()
        self._asleep.acquire()

    def begin(self) -> None:
        """Look from here on."""
        self._bulkhead.allow(dict.fromkeys(self._names, FIRST))
        self._recorder.finished.append(self.ended)
        self._bulkhead.on_parked = self.wake
        self._start(None)

    def ended(self, records: Sequence[Record]) -> None:
        """Take down requests that have ended."""
        for record in records:
            taken = self._taken.get(record.app)
            if taken is None:
                if record.app not in self._names:
                    continue
                taken = self._taken.setdefault(record.app, _Taken())
            parked, used = record.parked, record.cpu - record.charged
            taken.count += 1
            taken.waited += record.waited - parked
            taken.lasted += record.duration - parked
            if used > 0:
                taken.used += used
        self.look()

    def look(self, *, anew: bool = False) -> None:
        """See what each app takes, unless that was done a moment ago, or is being done.

        Args:
            anew: only see what is there now: before, there may have been nothing for long.
        """
        now = monotonic()
        passed = now - self._looked_at
        if anew:
            self._pause = EVERY
        if passed < self._pause:
            return
        looking = self._looking
        if not looking.acquire(blocking=False):
            if passed > LOST_AFTER:  # whoever is at it is in a finalizer that hangs
                self._looking = threading.Lock()
            return
        try:
            self._looked_at = now
            busy = self._busy(passed)
            seen = self._seen(now, passed, busy)
            if anew:
                return
            before, self._allowances = self._allowances, adjusted(self._allowances, seen, busy)
            self._bulkhead.allow(dict.fromkeys(before, FIRST) | self._allowances)
            is_held_back = min(self._allowances.values(), default=FIRST) < FIRST
            self._hurry(is_held_back or sum(app.computing for app in seen.values()) > 1)
            is_steady = before == self._allowances and not is_held_back
            self._pause = min(2 * self._pause, SELDOM) if is_steady else EVERY
        finally:
            looking.release()

    def _hurry(self, is_crowded: bool) -> None:
        """Have threads take turns in less time where some of them compute."""
        # Looked at each time: an app may set it, and an interrupt puts back what it has found.
        present = sys.getswitchinterval()
        is_short = present < 1.01 * SWITCH_INTERVAL
        if is_crowded and not is_short:
            self._usual = present
            sys.setswitchinterval(SWITCH_INTERVAL)
        elif is_short and not is_crowded:
            sys.setswitchinterval(self._usual)

    def _busy(self, passed: float) -> float:
        before, self._used = self._used, process_time()
        return (self._used - before) / passed

    def _seen(self, now: float, passed: float, busy: float) -> dict[str, Seen]:
        apps, self._taken = self._taken, {}
        computing = Counter[str]()
        for record in list(self._recorder.running):
            if (name := record.app) not in self._names:
                continue
            app = apps.setdefault(name, _Taken())
            told = clocks.cpu_seconds(record.thread)
            if told is None or record not in self._recorder.running:  # the thread has another one
                continue
            taken = told - record.cpu_began - record.charged
            record.charged += taken
            app.used += taken
            lasted = min(passed, now - record.began - record.waited)
            computing[name] += taken > COMPUTING * lasted
        # Many are told of at once, which have not all run since the last look.
        sum_of_all = sum(app.used for app in apps.values())
        part = min(1.0, busy * passed / sum_of_all) if sum_of_all else 1.0
        seen = {}
        for name, app in apps.items():
            load = self._bulkhead.load(name)
            seen[name] = Seen(
                used=part * app.used / passed,
                waits=app.has_waited,
                running=load.running,
                parked=load.parked,
                computing=computing[name],
            )
        return seen

    # While requests are parked.

    def wake(self) -> None:
        """Look again and again until no request is parked, in a thread; in another, if it is lost.

        A garbage collection in it runs finalizers of any app, and one of those may hang.
        """
        due, now = self._due, monotonic()
        if 0 < due < now or self._thread is None:
            self._start(self._thread)
        elif not due:
            self._due = now + LOST_AFTER
            # As in the backlog: nothing that the garbage collector counts is made before this.
            try:  # noqa: SIM105
                self._asleep.release()
            except RuntimeError:  # another request has woken it
                pass

    def _start(self, lost: threading.Thread | None) -> None:
        if not self._starting.acquire(blocking=False):  # another request is at it, or hangs in it
            return
        try:
            if self._thread is lost:
                made = threading.Thread(target=self._run, name="rowhouse-fairness", daemon=True)
                self._thread, self._due = made, monotonic() + LOST_AFTER
                made.start()
        except (RuntimeError, MemoryError):  # the next request that is parked tries again
            self._thread = None
        finally:
            self._starting.release()

    def _run(self) -> None:
        me = threading.current_thread()
        begins = True
        while self._thread is me:
            self._due = monotonic() + LOST_AFTER
            self.look(anew=begins)
            begins = not self._bulkhead.are_parked
            if not begins:
                sleep(self._pause)
            elif self._thread is me:
                self._due = 0.0
                if not self._bulkhead.are_parked:  # else one was in between
                    self._asleep.acquire()
