"""A host's requests are counted, and what its mounts are is taken down each second."""

from __future__ import annotations

import logging
import threading
from time import sleep
from typing import TYPE_CHECKING

from shared_utils.hosting.row import Row
from shared_utils.hosting.telemetry.state import State

if TYPE_CHECKING:
    from shared_utils.hosting.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)

EVERY = 1.0
"""Seconds between two looks."""
PAUSE = 60.0
"""Seconds after a look that has failed: a full disk may have room again."""


def count(row: Row) -> Metrics:
    """Have the requests of a host counted.

    Where the disk has no room for what all workers count, this one counts for itself: it serves.
    """
    # Here: prometheus_client has to know by then where to count.
    from shared_utils.hosting.telemetry.metrics import Metrics, count_alone

    try:
        metrics = Metrics(row.mounts)
    except OSError as error:
        logger.error("metrics are this process's own, there is no room for them: %s", error)
        count_alone()
        metrics = Metrics(row.mounts)
    row.recorder.answered.append(metrics.answered)
    row.recorder.finished.append(metrics.finished)
    row.walls.watchdog.on_exceeded = metrics.exceeded
    return metrics


def sample(row: Row, metrics: Metrics) -> None:
    """Take down what each mount is now."""
    states = {}
    for name, mounted in row.mounts.items():
        load = row.walls.bulkhead.load(name)
        states[name] = State(
            running=load.running,
            parked=load.parked,
            is_up=mounted.build_state in ("up", "lazy"),
            build_seconds=mounted.build_seconds,
        )
    metrics.sample(states)


def begin(row: Row, metrics: Metrics) -> None:
    """Take it down again and again, in a thread of this process."""

    def looking() -> None:
        while True:
            try:
                sample(row, metrics)
            except Exception:
                logger.exception("metrics of the moment are not taken down")
                sleep(PAUSE)
            sleep(EVERY)

    threading.Thread(target=looking, name="rowhouse-sampler", daemon=True).start()
