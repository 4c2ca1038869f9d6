"""What keeps gunicorn's master up: no exit code of a worker stops it, and failing boots back off.

gunicorn takes two exit codes of a worker, 3 and 4, to mean that it cannot boot, and stops
everything then. An app that ends its process with one of them (``os._exit(3)`` in a request) would
so take all its neighbours down. Here a worker that ends is replaced, whatever it says; one that
ends before it serves is replaced after a pause, or gunicorn would start it again at once, dozens of
times a second.
"""

from __future__ import annotations

import mmap
import os
import signal
import sys
from time import monotonic, sleep
from typing import Any

FIRST_PAUSE = 1.0
LAST_PAUSE = 60.0

_IMPOSSIBLE = -1
"""No process ends with this code: what ``waitpid`` gives is 0 to 255."""

_failed_boots = 0
"""Workers that ended before they served, one after another; since the last reload."""


def outlive_workers(arbiter: Any) -> None:
    """Have no exit code of a worker stop the master."""
    arbiter.WORKER_BOOT_ERROR = arbiter.APP_LOAD_ERROR = _IMPOSSIBLE


def mark_unbooted(worker: Any) -> None:
    """Before the fork: give a worker a mark that it and the master both see."""
    worker.boot_mark = mmap.mmap(-1, 1)


def mark_booted(worker: Any) -> None:
    """In the worker: say that it serves from now on."""
    worker.boot_mark[0] = 1


def count_exit(worker: Any) -> None:
    """In the master: see whether a worker that has ended ever served."""
    global _failed_boots
    mark = getattr(worker, "boot_mark", None)
    if mark is not None:
        _failed_boots = 0 if mark[0] else _failed_boots + 1
        mark.close()


def pause(failed_boots: int, workers: int) -> float:
    """Return the seconds that a worker waits before it boots: 1, 2, 4 ... 60 after failures.

    Args:
        failed_boots: workers that ended before they served, one after another.
        workers: how many gunicorn runs; as many failures at once count as one.
    """
    rounds = -(-failed_boots // max(workers, 1))
    return 0.0 if rounds == 0 else min(FIRST_PAUSE * 2.0 ** min(rounds - 1, 16), LAST_PAUSE)


def back_off(arbiter: Any, worker: Any) -> None:
    """In a worker that was just forked: wait, after boots that failed.

    Here and not in the master, which has signals to answer.
    """
    until = monotonic() + pause(_failed_boots, arbiter.num_workers)
    if _failed_boots:
        seconds = until - monotonic()
        worker.log.warning(
            "waiting %.0f s: workers that ended before they served: %d", seconds, _failed_boots
        )
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, signal.SIG_DFL)  # the master's own handlers came along
    while (left := until - monotonic()) > 0:
        if os.getppid() != worker.ppid:
            sys.exit(0)
        worker.notify()
        sleep(min(left, 1.0))
