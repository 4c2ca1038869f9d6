"""What each app has done so far, read from the host's metrics: sums over all workers."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # to import it is to say where this process counts
    from prometheus_client.metrics_core import Metric
    from prometheus_client.samples import Sample as Measured


@dataclasses.dataclass(frozen=True, kw_only=True)
class Total:
    """What one app has done since the host has started, and what it has at the moment.

    Attributes:
        requests: answered.
        errors: those of them that were answered with 5xx.
        cpu: seconds of CPU time that they took.
        shed: refused because of the fair share.
        unserved: answered by the host, because the app was closed or not built.
        late: ended past their deadline.
        running: requests that have a slot.
        parked: requests that wait for one.
        bounds: upper bounds of the histogram of durations, in seconds; the last one is infinite.
        counts: requests up to each bound.
    """

    requests: float = 0
    errors: float = 0
    cpu: float = 0
    shed: float = 0
    unserved: float = 0
    late: float = 0
    running: float = 0
    parked: float = 0
    bounds: tuple[float, ...] = ()
    counts: tuple[float, ...] = ()


_PLAIN = {
    "rowhouse_requests_running": "running",
    "rowhouse_requests_parked": "parked",
    "rowhouse_requests_shed_total": "shed",
    "rowhouse_requests_unserved_total": "unserved",
    "rowhouse_app_cpu_seconds_total": "cpu",
    "rowhouse_deadline_exceeded_total": "late",
}


def totals_of(families: Iterable[Metric]) -> dict[str, Total]:
    """Return the totals of each app.

    Args:
        families: what a registry collects, or what was parsed from ``/-/metrics``. Those of others
            are passed over, and so are samples without the label ``app``.
    """
    sums: dict[str, dict[str, float]] = {}
    counts: dict[str, dict[float, float]] = {}
    for family in families:
        for sample in family.samples:
            if app := sample.labels.get("app"):
                _add(sample, sums.setdefault(app, {}), counts.setdefault(app, {}))
    return {app: _total(sums[app], counts[app]) for app in sums}


def _add(sample: Measured, sums: dict[str, float], counts: dict[float, float]) -> None:
    if sample.name == "rowhouse_requests_total":
        sums["requests"] = sums.get("requests", 0) + sample.value
        if sample.labels.get("status", "").startswith("5"):
            sums["errors"] = sums.get("errors", 0) + sample.value
    elif sample.name == "rowhouse_request_duration_seconds_bucket":
        bound = float(sample.labels["le"])
        counts[bound] = counts.get(bound, 0) + sample.value
    elif key := _PLAIN.get(sample.name):
        sums[key] = sums.get(key, 0) + sample.value


def _total(sums: Mapping[str, float], counts: Mapping[float, float]) -> Total:
    bounds = tuple(sorted(counts))
    return Total(**sums, bounds=bounds, counts=tuple(counts[bound] for bound in bounds))


def quantile(share: float, bounds: tuple[float, ...], counts: tuple[float, ...]) -> float | None:
    """Return the seconds that ``share`` of the requests stayed below; None without requests.

    Within a bucket they are taken to lie evenly, as Prometheus' ``histogram_quantile`` does; what
    is beyond the last finite bound counts as that.
    """
    if not counts or counts[-1] <= 0:
        return None
    rank, below, lower = share * counts[-1], 0.0, 0.0
    for bound, count in zip(bounds, counts, strict=True):
        if count >= rank and count > below:
            if math.isinf(bound):
                return lower
            return lower + (bound - lower) * (rank - below) / (count - below)
        below, lower = count, lower if math.isinf(bound) else bound
    return lower
