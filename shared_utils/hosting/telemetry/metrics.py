"""The host's metrics, which are those of all its workers.

prometheus_client is told where to count when it is imported, so this module is imported only once
that is known: by the host, not by what gunicorn's master loads for it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, values
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric

from shared_utils.forks import call_in_child
from shared_utils.hosting.telemetry import directory, folding, mapped
from shared_utils.hosting.telemetry.record import METHODS, Record
from shared_utils.hosting.telemetry.state import State
from shared_utils.hosting.telemetry.tally import Tally, TallyInMemory, tally

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Seconds; up to the default deadline."""

REASONS = ("queue_timeout", "threads")

KINDS = ("counter", "histogram", "gauge_livesum", "gauge_livemin", "gauge_livemax")
"""Of files that a process counts in."""

GRAINS = 2.0**24
"""Seconds are counted in whole parts of this many (60 ns). Sums of those are exact, up to 17 years
of them, so they are the same in whichever order workers are added up. Else a sum could become less,
by its last digit, where a worker that has ended is folded in; Prometheus takes that for a restart,
and the whole of it for an increase."""


class Metrics:
    """What this process counts, and what all of them have counted.

    ``app`` is the name of a mount, and empty for what no mount has answered.

    Args:
        apps: names of the mounts.

    Raises:
        OSError: there is no room for the files that this process would count in.
    """

    def __init__(self, apps: Iterable[str]) -> None:
        self._folder = directory.current()
        if self._folder is not None:
            directory.ensure(self._folder)
            for kind in KINDS:
                mapped.reserve(self._folder / f"{kind}_{os.getpid()}.db")
            know_processes()
        self._own = registry = CollectorRegistry()
        self._requests = Counter(
            "rowhouse_requests_total",
            "Requests that were answered, by app, method and status.",
            ["app", "method", "status"],
            registry=registry,
        )
        self._durations = Histogram(
            "rowhouse_request_duration_seconds",
            "Seconds from the head of a request to the last byte handed to the server.",
            ["app"],
            buckets=BUCKETS,
            registry=registry,
        )
        self._running = Gauge(
            "rowhouse_requests_running",
            "Requests that have a slot.",
            ["app"],
            multiprocess_mode="livesum",
            registry=registry,
        )
        self._parked = Gauge(
            "rowhouse_requests_parked",
            "Requests that wait for a slot.",
            ["app"],
            multiprocess_mode="livesum",
            registry=registry,
        )
        self._shed = Counter(
            "rowhouse_requests_shed_total",
            "Requests that were refused: no slot in time, or no thread.",
            ["app", "reason"],
            registry=registry,
        )
        self._unserved = Counter(
            "rowhouse_requests_unserved_total",
            "Requests that the host has answered because the app was closed or not built.",
            ["app"],
            registry=registry,
        )
        self._cpu = Counter(
            "rowhouse_app_cpu_seconds_total",
            "Seconds of CPU time of the threads that requests were answered in.",
            ["app"],
            registry=registry,
        )
        self._exceeded = Counter(
            "rowhouse_deadline_exceeded_total",
            "Requests that took longer than their app's deadline.",
            ["app"],
            registry=registry,
        )
        self._up = Gauge(
            "rowhouse_app_up",
            "1 where the app can be served in every worker, else 0.",
            ["app"],
            multiprocess_mode="livemin",
            registry=registry,
        )
        self._build = Gauge(
            "rowhouse_app_build_seconds",
            "Seconds that the app's last build took, in the worker where it took longest.",
            ["app"],
            multiprocess_mode="livemax",
            registry=registry,
        )
        # Kept, because to look one up takes as long as to count.
        self._answered: dict[tuple[str, str, int], Tally | TallyInMemory] = {}
        call_in_child(self._reset_in_child)
        self._duration_of = {app: self._durations.labels(app) for app in ["", *apps]}
        self._cpu_of = {app: self._cpu.labels(app) for app in self._duration_of}
        # There from the start: a rate needs a value before the first event.
        self._exceeded_of = {app: self._exceeded.labels(app) for app in apps}
        self._unserved_of = {app: self._unserved.labels(app) for app in apps}
        for app in apps:
            for reason in REASONS:
                self._shed.labels(app, reason)

    # Listeners.

    def answered(self, record: Record) -> None:
        """Count a request that is answered but for its last bytes."""
        key = (record.app, record.method, record.status)
        answers = self._answered.get(key)
        if answers is None:
            method = record.method if record.method in METHODS else "other"
            counter = self._requests.labels(record.app, method, str(record.status))
            answers = tally(counter, self._duration_of[record.app])
            if method == record.method:  # clients may make up others without end
                self._answered[key] = answers
        # As `_grained` does it: a call would be a part of what each request costs.
        answers.add(int(record.duration * GRAINS + 0.5) / GRAINS)
        if record.shed:
            self._shed.labels(record.app, record.shed).inc()
        elif record.unserved:
            self._unserved_of[record.app].inc()

    def finished(self, records: Sequence[Record]) -> None:
        """Count the CPU time of requests that have ended."""
        seconds: dict[str, float] = {}
        for record in records:
            seconds[record.app] = seconds.get(record.app, 0.0) + record.cpu
        for app, sum_of_app in seconds.items():
            self._cpu_of[app].inc(_grained(sum_of_app))

    def exceeded(self, app: str) -> None:
        """Count a request that has taken longer than the app's deadline."""
        self._exceeded_of[app].inc()

    # What is looked at.

    def sample(self, states: Mapping[str, State]) -> None:
        """Take down what the mounts are at the moment."""
        for app, state in states.items():
            self._running.labels(app).set(state.running)
            self._parked.labels(app).set(state.parked)
            self._up.labels(app).set(state.is_up)
            if state.build_seconds is not None:
                self._build.labels(app).set(state.build_seconds)

    def text(self, accept: str | None = None) -> tuple[bytes, str]:
        """Return what all processes have counted, and its content type.

        Args:
            accept: what the one who asks would like to have.

        Raises:
            OSError: what they have counted cannot be read.
        """
        registry = self._own
        if self._folder is not None:
            registry = CollectorRegistry(auto_describe=False)
            registry.register(_OfAll(self._folder))
        try:
            encode, content_type = choose_encoder(accept or "")
        except (TypeError, ValueError):  # a version that is none
            encode, content_type = choose_encoder("")
        return encode(registry), content_type

    def collect(self) -> Iterable[Metric]:
        """Return what all processes have counted.

        Raises:
            OSError: it cannot be read.
        """
        return self._own.collect() if self._folder is None else folding.read(self._folder)

    def names(self) -> list[str]:
        """Return the names of the metrics, as a query has them."""
        described = self._own.collect()
        return sorted(m.name + ("_total" if m.type == "counter" else "") for m in described)

    def _reset_in_child(self) -> None:
        self._answered = {}


def _grained(seconds: float) -> float:
    return int(seconds * GRAINS + 0.5) / GRAINS


def count_alone() -> None:
    """Have this process count for itself, in memory, from here on."""
    directory.forget()
    present: Any = values
    present.ValueClass = present.MutexValue


def know_processes() -> None:
    """Have prometheus_client learn of forks from Python, instead of asking for each count.

    It asks the system for the process's number, which takes a third of the time of counting. To be
    called before anything is counted: two such classes would write to one file.
    """
    mapped.install()
    present: Any = values.ValueClass
    # Where there was no room when the master started, prometheus_client took it that there is no
    # directory; after a reload there may be one.
    is_ours = getattr(present, "version", None) == mapped.VERSION
    if directory.current() is not None and not is_ours:
        number = os.getpid()

        def learn() -> None:
            nonlocal number
            number = os.getpid()

        os.register_at_fork(after_in_child=learn)
        made: Any = values.MultiProcessValue
        values.ValueClass = made(lambda: number)
        values.ValueClass.version = mapped.VERSION


class _OfAll:
    """What is in a directory, as a registry collects it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterator[Metric]:
        yield from folding.read(self._folder)
