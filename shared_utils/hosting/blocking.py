"""Finds out whose requests wait for something, so that they keep nobody waiting meanwhile.

A request has a turn to itself (`pool.py`). One that waits, for a database or for another host, has
its turn for nothing until that is over. Where more than a few of an app's requests do so, they all
give their turn up as the app is called, and ask for another one when it is done. In between they
compete for the interpreter, as under gunicorn's own pool, and may be late for that alone: so now
and then it is tried whether they still wait.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from time import monotonic  # now: an app may replace it later
from typing import Protocol

from shared_utils.hosting.pool import TURN
from shared_utils.hosting.telemetry.record import Record
from shared_utils.hosting.telemetry.recorder import Recorder

SAMPLED = 8
"""One of so many requests is looked at: to look at each would be a part of what it costs."""

ENOUGH = 16
"""Requests that are looked at before it is said what the others do."""

PART = 0.25
"""Part of them that may wait for longer than a turn. Each that does keeps others waiting for a
turn; threads that compete take a quarter of that longer for a small request."""

FIRST, LONGEST = 1.0, 16.0
"""Seconds after which it is tried anew; twice as many each time that they still wait."""

SETTLE = 0.05
"""Seconds in which those end that competed up to a try: what they took says nothing."""


class Blocks(Protocol):
    """A mount, as it is told."""

    blocks: bool


class _App:
    """What is known of an app.

    Attributes:
        mount: the mount that is told.
        since: requests that began before this are not looked at; of ``monotonic()``.
        tried_at: when it is tried anew.
        pause: seconds from one that says that they wait to the next one.
        seen: requests that were looked at, since the last time that there were enough.
        waited: those of them that have waited.
    """

    __slots__ = ("mount", "pause", "seen", "since", "tried_at", "waited")

    def __init__(self, mount: Blocks) -> None:
        self.mount = mount
        self.since, self.tried_at, self.pause = 0.0, inf, FIRST
        self.seen = self.waited = 0

    def look(self, record: Record, now: float) -> None:
        """Take down a request that has ended."""
        if now >= self.tried_at:
            self.mount.blocks = False
            self.since, self.tried_at = now + SETTLE, inf
        began = record.began + record.waited
        if began < self.since or record.shed:
            return
        self.seen += 1
        self.waited += record.duration - record.waited - record.cpu > TURN
        if self.seen >= ENOUGH:
            self._judge(now)

    def _judge(self, now: float) -> None:
        blocks = self.waited > PART * self.seen
        self.seen = self.waited = 0
        if blocks:
            self.since, self.tried_at = inf, now + self.pause
            self.pause = min(2 * self.pause, LONGEST)
        else:
            self.pause = FIRST
        self.mount.blocks = blocks


class Blocking:
    """Looks at what the requests of this process have waited for.

    Args:
        recorder: tells what has ended.
        mounts: by name; their ``blocks`` is set.
    """

    def __init__(self, recorder: Recorder, mounts: Mapping[str, Blocks]) -> None:
        self._recorder = recorder
        self._apps = {name: _App(mount) for name, mount in mounts.items()}

    def begin(self) -> None:
        """Look from here on."""
        self._recorder.finished.append(self.ended)

    def ended(self, records: Sequence[Record]) -> None:
        """Take down some of the requests that have ended."""
        now = monotonic()
        for record in records[::SAMPLED]:
            app = self._apps.get(record.app)
            if app is not None:
                app.look(record, now)
