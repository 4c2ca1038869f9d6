"""Raise an exception in another thread, but never where it would do harm.

``PyThreadState_SetAsyncExc`` raises wherever the thread happens to be. In the middle of ``logging``
or of the import system that leaves a lock held which every neighbour needs, so a thread is
interrupted only while its innermost frame is not the standard library's and not the host's.
"""

from __future__ import annotations

import ctypes
import sys
import sysconfig
import traceback
from pathlib import Path
from time import perf_counter, sleep  # now: an app may replace them later
from types import FrameType

_raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc
_HOST = f"{Path(__file__).parents[1]}/"
_TURN = 0.005
"""Seconds of a turn on the GIL while a thread is interrupted: Python's own default."""
_STANDARD = tuple(
    f"{sysconfig.get_path(key)}/" for key in ("stdlib", "platstdlib") if sysconfig.get_path(key)
)
_INSTALLED = tuple(f"{sysconfig.get_path(key)}/" for key in ("purelib", "platlib"))


def interrupt(thread_id: int, exception: type[BaseException]) -> bool:
    """Raise ``exception`` in a thread if it is safe where the thread is now.

    Returns:
        Whether it was raised. A thread that is blocked in C sees it when it comes back.
    """
    # Look and raise within one turn on the GIL, or the thread could move on in between. A turn
    # that has just begun lasts for a switch interval at least; only the operating system can
    # make it run out here, and then it is too late to raise.
    interval = sys.getswitchinterval()
    sys.setswitchinterval(max(interval, _TURN))
    try:
        sleep(0)
        began = perf_counter()
        frame = sys._current_frames().get(thread_id)
        if frame is None or not _is_safe(frame):
            return False
        thread, raised = ctypes.c_ulong(thread_id), ctypes.py_object(exception)
        if perf_counter() - began > _TURN / 4:
            return False
        return bool(_raise_in(thread, raised) == 1)
    finally:
        sys.setswitchinterval(interval)


def clear(thread_id: int) -> None:
    """Take back an exception that the thread has not seen yet."""
    _raise_in(ctypes.c_ulong(thread_id), None)


class Stack:
    """Where a thread was. Source lines are read when it is written: that may call code of an app.

    Args:
        thread_id: a thread; one that has ended has an empty stack.
        inside: leave out the frames up to the last one of a file in this folder.
    """

    def __init__(self, thread_id: int, *, inside: str = "") -> None:
        frame = sys._current_frames().get(thread_id)
        frames = traceback.StackSummary.extract(traceback.walk_stack(frame), lookup_lines=False)
        if frame is None:
            frames.clear()
        frames.reverse()
        own = [n for n, each in enumerate(frames, 1) if inside and each.filename.startswith(inside)]
        self._frames = traceback.StackSummary.from_list(frames[own[-1] if own else 0 :])

    def __str__(self) -> str:
        """Write it as a traceback is written."""
        return "".join(self._frames.format()).rstrip()


def _is_safe(frame: FrameType) -> bool:
    file = frame.f_code.co_filename
    if file.startswith("<") or file.startswith(_HOST):
        return False
    return file.startswith(_INSTALLED) or not file.startswith(_STANDARD)
