"""Finds out whose requests wait for something, so that they keep nobody waiting meanwhile.

A request has a turn to itself (`pool.py`). One that waits, for a database or for another host, has
its turn for nothing until that is over, though nobody computes. Where more than a few of an app's
requests do so, they all give their turn up as the app is called, and ask for another one when it
has come to its first byte. In between they compete for the interpreter, as under gunicorn's own
pool, and may be late for that alone: so now and then it is tried whether they still wait.
"""

from __future__ import annotations

from collections.abc import Iterable
from time import monotonic, process_time, thread_time  # now: an app may replace them later
from typing import TYPE_CHECKING

from shared_utils.hosting.pool import BUSY

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    from shared_utils.hosting.walls.barrier import Exchange

LONG = 0.004
"""Seconds from which on a request waits for long. Where it is less, its turn is over as soon, and
there are more turns (`pool.py`); and so long it may be kept from running for other reasons."""

ENOUGH = 16
"""Requests that are looked at before it is said what the others do."""

PART = 0.25
"""Part of them that may wait for long. Each that does keeps others waiting for a turn; threads that
compete take a quarter of that longer for a small request."""

GRACE = 0.25
"""Seconds after which those that are looked at, and have not come back, count as waiting."""

EVERY = 1.0
"""Seconds from one time that some are looked at to the next."""

LONGEST = 16.0
"""The same, at most, where they wait: twice as many each time that they still do."""

SETTLE = 0.05
"""Seconds in which those end that competed up to a try: so long nobody is looked at."""


class _Cohort:
    """Requests that are looked at together.

    Attributes:
        began: when the first of them began; of ``monotonic()``.
        used: seconds of CPU that the process had taken then.
        full: when the last of them began.
        begun: how many there are.
        ended: how many of them have come back.
        waited: how many of those have waited for long.
    """

    __slots__ = ("began", "begun", "ended", "full", "used", "waited")

    def __init__(self) -> None:
        self.began = self.used = self.full = 0.0
        self.begun = self.ended = self.waited = 0


class Habit:
    """Whether the requests of one app wait.

    Threads change it without a lock: where two do so at once, some is counted twice or not at all.

    Attributes:
        blocks: they do, and give their turns up.
        looks_at: before this (``monotonic()``), nothing is to be done for a request but to begin
            with it.
    """

    def __init__(self) -> None:
        self.blocks = False
        self.looks_at = 0.0
        self._tried_at = 0.0
        self._pause = EVERY
        self._cohort = _Cohort()

    def begin(self, exchange: Exchange, app: WSGIApplication, now: float) -> Iterable[bytes]:
        """Begin with a request that has a turn, and see whether it waits.

        Args:
            exchange: the request.
            app: its app.
            now: ``monotonic()``.
        """
        if self.blocks:
            if now < self._tried_at:
                return exchange.begin(app, blocks=True)
            self.blocks, self.looks_at = False, now + SETTLE
            return exchange.begin(app)
        cohort = self._cohort
        if cohort.begun >= ENOUGH:
            if now >= cohort.full + GRACE:
                self._judge(cohort, now)
            return exchange.begin(app, blocks=self.blocks)
        if not cohort.begun:
            cohort.began, cohort.used = now, process_time()
        cohort.begun += 1
        cohort.full = now
        used = thread_time()
        response = exchange.begin(app)
        ended_at = monotonic()
        cohort.waited += ended_at - now - (thread_time() - used) > LONG
        cohort.ended += 1
        if cohort.ended >= ENOUGH:
            self._judge(cohort, ended_at)
        return response

    def _judge(self, cohort: _Cohort, now: float) -> None:
        if cohort is not self._cohort:  # that was done already
            return
        self._cohort = _Cohort()
        waited = cohort.waited + cohort.begun - cohort.ended
        # Where the process has no time left, they may have waited for the interpreter; and nothing
        # is to be had from a turn that is given up.
        busy = (process_time() - cohort.used) / max(now - cohort.began, LONG)
        if waited > PART * cohort.begun and busy < BUSY:
            self.blocks, self.looks_at = True, 0.0
            self._tried_at = now + self._pause
            self._pause = min(2 * self._pause, LONGEST)
        else:
            self.looks_at, self._pause = now + EVERY, EVERY
