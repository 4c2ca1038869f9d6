"""How many requests an app may run at once, by the CPU time that it takes from the others.

Python runs one thread at a time. An app whose requests compute keeps all others waiting, the longer
the more of them there are; to run fewer at once takes nothing from it, because more of them are not
faster. So an app begins with a few. It may run twice as many for as long as there is CPU time left,
or it has less than its fair share; and half as many where it has more, and others wait for their
threads.

Plain state without locks, clocks or I/O.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

FIRST = 4
"""Requests that an app may run at once before anything is known of it."""

BUSY = 0.85
"""Seconds of CPU a second above which the interpreter has no time left."""

PARALLEL = 1.5
"""Above this there are threads that compute outside of the interpreter, in nobody's way."""

LITTLE = 0.25
"""Below this the requests of an app are in nobody's way, however much they do in little steps."""

MODEST, GREEDY = 0.75, 1.25
"""Times the fair share of the CPU time, below which an app may have more of it, and above which it
has too much."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Seen:
    """What was seen since the last look of an app that had something to do.

    Attributes:
        used: seconds of CPU of its requests, for each second that went by.
        waits: its requests waited for their threads for a good part of their time.
        running: requests that have a slot now.
        parked: requests that wait for one.
        computing: those of the running ones that computed for a good part of the time.
    """

    used: float = 0.0
    waits: bool = False
    running: int = 0
    parked: int = 0
    computing: int = 0

    @property
    def would_gain(self) -> bool:
        """Whether more of its requests at once could be done sooner.

        They could where most of them wait for something else, or compute outside of Python.
        """
        # Both, since a process may get little CPU time, where it shares its machine.
        return self.used < LITTLE or self.used > PARALLEL or 2 * self.computing <= self.running


def adjusted(
    allowances: Mapping[str, float], seen: Mapping[str, Seen], busy: float
) -> dict[str, float]:
    """Return what apps may run at once from here on, one at least; `FIRST` for those left out.

    Args:
        allowances: what they may run now, likewise.
        seen: what was seen of those that had something to do.
        busy: seconds of CPU that all of the process has taken, for each second that went by.
    """
    used = sum(app.used for app in seen.values())
    fair = used / max(1, len(seen))
    is_full = BUSY <= busy <= PARALLEL
    suffer = {name for name, app in seen.items() if app.waits and app.used <= GREEDY * fair}
    away = {name: 7 * now // 8 for name, now in allowances.items() if name not in seen}
    made = {name: allowance for name, allowance in away.items() if allowance > FIRST}
    for name, app in seen.items():
        allowance = allowances.get(name, FIRST)
        others_suffer = bool(suffer - {name})
        wants_more = app.parked and app.running >= allowance
        is_modest, is_greedy = app.used <= MODEST * fair, app.used > GREEDY * fair
        if others_suffer and is_greedy and (is_full or not app.would_gain):
            allowance = max(1, allowance // 2)
        elif is_modest and not others_suffer and allowance < FIRST:
            allowance = min(FIRST, 2 * allowance)
        elif wants_more and app.would_gain and (is_modest or not is_full):
            allowance *= 2
        made[name] = allowance
    return made
