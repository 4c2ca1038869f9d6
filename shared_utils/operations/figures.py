"""Figures of each app over a while: what lies between two samples of the totals."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from shared_utils.operations.totals import Total, quantile

WINDOW = 15.0
"""Seconds that "now" is, in a table: long enough to be steady, short enough to be now."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sample:
    """The totals of all apps at one moment (``time.time()``)."""

    at: float
    apps: Mapping[str, Total]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Figures:
    """How one app did over a while, in all workers.

    Attributes:
        requests: answered in that time; ``shed``: refused by the host; ``late``: ended past their
            deadline.
        errors: answered with 5xx, but for those that were shed or that came while the app was
            closed or not built: what the host answers is not the app's failure.
        rate: requests a second; ``shed_rate``: of those, refused.
        error_rate: errors among the requests that the app was given, 0 to 1; None without any.
        p50: seconds that half of the requests took at most; ``p99``: 99 of 100. None without any.
        cpu: cores that it kept busy.
        cpu_share: its part of the CPU time of all apps, 0 to 1; None where they took none.
        running: requests that had a slot at the end; ``parked``: that waited for one.
    """

    requests: float = 0
    errors: float = 0
    shed: float = 0
    late: float = 0
    rate: float = 0
    shed_rate: float = 0
    error_rate: float | None = None
    p50: float | None = None
    p99: float | None = None
    cpu: float = 0
    cpu_share: float | None = None
    running: int = 0
    parked: int = 0


def between(older: Sample, newer: Sample, only: str = "") -> dict[str, Figures]:
    """Return the figures of each app between two samples, or those of ``only`` one."""
    seconds = max(newer.at - older.at, 0.001)
    spent = {app: _grown(older, newer, app, "cpu") for app in newer.apps}
    all_cpu = sum(spent.values())
    return {
        app: _figures(older, newer, app, seconds, spent[app], all_cpu)
        for app in sorted(newer.apps)
        if only in ("", app)
    }


def latest(samples: Sequence[Sample], window: float = WINDOW) -> dict[str, Figures]:
    """Return the figures of the last ``window`` seconds, or of as long as there are samples."""
    if len(samples) < 2:
        return {}
    newest = samples[-1]
    older = next(s for s in samples if s.at >= newest.at - window - 1)
    return between(older if older is not newest else samples[-2], newest)


def _figures(
    older: Sample, newer: Sample, app: str, seconds: float, cpu: float, all_cpu: float
) -> Figures:
    total = newer.apps[app]
    requests = _grown(older, newer, app, "requests")
    shed = _grown(older, newer, app, "shed")
    hosts = shed + _grown(older, newer, app, "unserved")
    served = max(requests - hosts, 0.0)
    errors = max(_grown(older, newer, app, "errors") - hosts, 0.0)
    counts = _grown_counts(older.apps.get(app), total)
    return Figures(
        requests=requests,
        errors=errors,
        shed=shed,
        late=_grown(older, newer, app, "late"),
        rate=requests / seconds,
        shed_rate=shed / seconds,
        error_rate=errors / served if served else None,
        p50=quantile(0.5, total.bounds, counts),
        p99=quantile(0.99, total.bounds, counts),
        cpu=cpu / seconds,
        cpu_share=cpu / all_cpu if all_cpu > 0 else None,
        running=round(total.running),
        parked=round(total.parked),
    )


def _grown(older: Sample, newer: Sample, app: str, key: str) -> float:
    """Return by how much a counter has grown; it begins anew where the host has."""
    now = float(getattr(newer.apps[app], key))
    before = float(getattr(older.apps[app], key)) if app in older.apps else 0.0
    return now - before if now >= before else now


def _grown_counts(older: Total | None, newer: Total) -> tuple[float, ...]:
    if older is None or older.bounds != newer.bounds:
        return newer.counts
    grown = [now - before for now, before in zip(newer.counts, older.counts, strict=True)]
    return newer.counts if grown and min(grown) < 0 else tuple(grown)
