"""What keeps gunicorn's master up: no exit code of a worker stops it, and failing boots back off.

gunicorn takes two exit codes of a worker, 3 and 4, to mean that it cannot boot, and stops
everything then. An app that ends its process with one of them (``os._exit(3)`` in a request) would
so take all its neighbours down. Here a worker that ends is replaced, whatever it says; one that
ends before it serves is replaced after a pause, or gunicorn would start it again at once, dozens of
times a second.
"""

from __future__ import annotations

import os
import signal
import sys
from time import monotonic, sleep
from types import FrameType
from typing import Any

from shared_utils.hosting import marks

FIRST_PAUSE = 1.0
LAST_PAUSE = 60.0

_IMPOSSIBLE = -1
"""No process ends with this code: what ``waitpid`` gives is 0 to 255."""

_failed_boots = 0
"""Workers that ended before they served, one after another; since the last reload."""


def outlive_workers(arbiter: Any) -> None:
    """Have no exit code of a worker stop the master."""
    arbiter.WORKER_BOOT_ERROR = arbiter.APP_LOAD_ERROR = _IMPOSSIBLE


def count_exit(worker: Any) -> None:
    """In the master: see whether a worker that has ended ever served."""
    global _failed_boots
    if marks.is_booted(worker):
        _failed_boots = 0
    elif not marks.is_called_off(worker):
        _failed_boots += 1
    marks.take(worker)


def pause(failed_boots: int, workers: int) -> float:
    """Return the seconds that a worker waits before it boots: 1, 2, 4 ... 60 after failures.

    Args:
        failed_boots: workers that ended before they served, one after another.
        workers: how many gunicorn runs; as many failures at once count as one.
    """
    rounds = -(-failed_boots // max(workers, 1))
    return 0.0 if rounds == 0 else min(FIRST_PAUSE * 2.0 ** min(rounds - 1, 16), LAST_PAUSE)


def begin(arbiter: Any, worker: Any) -> None:
    """In a worker that was just forked: be ready to be told to leave, and wait after failed boots.

    Waiting is done here and not in the master, which has signals to answer.
    """
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, _leave)  # the master's own came along, and would lose it
    if marks.is_called_off(worker):
        sys.exit(0)
    until = monotonic() + pause(_failed_boots, arbiter.num_workers)
    if _failed_boots:
        seconds = until - monotonic()
        worker.log.warning(
            "waiting %.0f s: workers that ended before they served: %d", seconds, _failed_boots
        )
    while (left := until - monotonic()) > 0:
        if os.getppid() != worker.ppid:
            sys.exit(0)
        worker.notify()
        sleep(min(left, 1.0))


def booted(worker: Any) -> None:
    """In the worker: serve from now on, unless the master has changed its mind meanwhile."""
    marks.mark_booted(worker)
    marks.wake_master(worker)
    if marks.is_called_off(worker):
        sys.exit(0)


def _leave(number: int, frame: FrameType | None) -> None:
    sys.exit(0)
