"""What a worker and gunicorn's master tell each other: a few bytes of memory that both see.

A master outlives the code it began with: it may look at workers that older code has forked, with
fewer bytes or none. A worker without a mark counts as booted.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import signal
from typing import Any

_BOOTED, _STUCK, _CALLED_OFF = range(3)


def give(worker: Any) -> None:
    """In the master, before the fork: give a worker its marks."""
    worker.boot_mark = mmap.mmap(-1, 3)


def take(worker: Any) -> None:
    """In the master, when a worker has ended: give its marks back."""
    if (mark := getattr(worker, "boot_mark", None)) is not None:
        mark.close()


def mark_booted(worker: Any) -> None:
    """In the worker: say that it serves from now on."""
    worker.boot_mark[_BOOTED] = 1


def is_booted(worker: Any) -> bool:
    """Say whether a worker serves, or has served."""
    return bool(_read(worker, _BOOTED, 1))


def mark_stuck(worker: Any, threads: int) -> None:
    """In the worker: say how many of its threads are blocked in C; above 255 is 255."""
    worker.boot_mark[_STUCK] = min(threads, 255)


def stuck(worker: Any) -> int:
    """Return how many threads a worker says are blocked in C."""
    return _read(worker, _STUCK, 0)


def call_off(worker: Any) -> bool:
    """In the master: keep a worker that does not serve yet from ever doing so.

    Returns whether it is that early. A worker says that it serves before it looks whether it was
    called off, so this is never true for one that takes a request.
    """
    mark = getattr(worker, "boot_mark", None)
    if mark is None or len(mark) <= _CALLED_OFF:
        return False
    mark[_CALLED_OFF] = 1
    return not mark[_BOOTED]


def is_called_off(worker: Any) -> bool:
    """Say whether the master has told a worker to leave."""
    return bool(_read(worker, _CALLED_OFF, 0))


def wake_master(worker: Any) -> None:
    """In the worker: have the master look at the marks now, and not at its next second."""
    if os.getppid() == worker.ppid:
        with contextlib.suppress(OSError):  # the master may be another user's
            os.kill(worker.ppid, signal.SIGCHLD)


def _read(worker: Any, index: int, default: int) -> int:
    mark = getattr(worker, "boot_mark", None)
    return default if mark is None or len(mark) <= index else int(mark[index])
