"""CPU time of threads, as other threads see it. Linux alone tells."""

from __future__ import annotations

import sys
from threading import get_ident, get_native_id
from time import clock_gettime  # now: an app may replace it later

_numbers: dict[int, int] = {}
"""What the system calls threads, by their idents."""


def show() -> None:
    """Let others see what the calling thread takes from here on, as long as it lives."""
    if sys.platform == "linux":
        _numbers[get_ident()] = get_native_id()


def cpu_seconds(thread: int) -> float | None:
    """Return the seconds of CPU that a thread has taken; None where that is not known.

    Args:
        thread: its ident.
    """
    number = _numbers.get(thread)
    if number is None:
        return None
    try:
        return clock_gettime(~number << 3 | 6)  # the clock of pthread_getcpuclockid(3)
    except OSError:  # it has ended
        return None
