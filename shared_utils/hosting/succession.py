"""Which of gunicorn's workers starts, and which leaves: an old one when its successor serves.

Decides and does nothing: ``handover.py`` does. There are as many *heirs* as workers are wanted.
What is outdated by a reload, or was granted to leave because threads of it are blocked in C, is no
heir, but goes on serving for as long as an heir still boots.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

GRANT_EVERY = 60.0
"""Seconds between two workers that are replaced because threads of them are blocked in C."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Worker:
    """A worker as the master sees it.

    Args:
        age: gunicorn's number of it; the oldest has the lowest.
        booted: it serves, unless it is retired.
        outdated: a reload came after its start.
        stuck: threads of it that are blocked in C, for which it asks to be replaced.
        granted: that was granted.
        retired: it was told to leave, and finishes its requests.
    """

    age: int
    booted: bool = False
    outdated: bool = False
    stuck: int = 0
    granted: bool = False
    retired: bool = False

    @property
    def is_fit(self) -> bool:
        """Whether it may be here to stay."""
        return not (self.outdated or self.granted or self.retired)

    @property
    def is_serving(self) -> bool:
        """Whether it takes new requests."""
        return self.booted and not self.retired


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """What to do next: how many workers to start, and the ages of those to retire."""

    spawn: int
    retire: list[int]


def plan(workers: Iterable[Worker], wanted: int) -> Plan:
    """Return what brings the workers nearer to as many fit ones as are wanted.

    Heirs are those that serve already, the newest first, then those that boot. For each heir that
    is missing or still boots, one of the others goes on serving, again the newest first. The rest
    is retired, and so is at once what boots and is no heir.
    """
    present = [worker for worker in workers if not worker.retired]
    fit = sorted((w for w in present if w.is_fit), key=lambda w: (w.booted, w.age), reverse=True)
    heirs = fit[:wanted]
    others = sorted((w for w in present if w not in heirs), key=lambda w: w.age)
    serving = [worker for worker in others if worker.booted]
    gaps = wanted - sum(heir.booted for heir in heirs)
    kept = serving[max(len(serving) - gaps, 0) :]
    return Plan(
        spawn=wanted - len(heirs),
        retire=[worker.age for worker in others if worker not in kept],
    )


def grant(workers: Iterable[Worker], waited: float) -> int | None:
    """Return the age of the worker that may be replaced because threads of it are blocked in C.

    One at a time and one a minute: an app that blocks every worker would else have all of them
    start again and again. The one with the most such threads is first.

    Args:
        waited: seconds since the last one was granted.
    """
    workers = list(workers)
    if waited < GRANT_EVERY or any(worker.granted for worker in workers):
        return None
    asking = [w for w in workers if w.stuck and w.booted and w.is_fit]
    return max(asking, key=lambda w: (w.stuck, -w.age)).age if asking else None
