"""Raise an exception in another thread, but never where it would do harm.

``PyThreadState_SetAsyncExc`` raises wherever the thread happens to be. In the middle of ``logging``
or of the import system that leaves a lock held which every neighbour needs, so a thread is
interrupted only while its innermost frame is not the standard library's and not the host's. Nor in
the middle of the import of an installed package: half of one stays in ``sys.modules``, and where it
has extension modules no app of this process can import it again.

An exception that is set while the frame is blocked in C may be seen later only: where the call
fails by itself, Python goes through ``finally`` and ``__exit__`` of the frames further out first,
and the exception lands on the way into what they call. So, for a request, none of these may be the
standard library's either: a handler of ``logging`` would never get to release its lock.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import sys
import sysconfig
import threading
import traceback
from collections.abc import Iterator
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
_IMPORT_SYSTEM = "<frozen importlib._bootstrap>"
_looking = threading.RLock()
"""Held while threads are looked at: two that do so at once would undo each other's settings."""
_INSTALLED = tuple(f"{sysconfig.get_path(key)}/" for key in ("purelib", "platlib"))


def interrupt(thread_id: int, exception: type[BaseException], *, inside: str = "") -> bool:
    """Raise ``exception`` in a thread if it is safe where the thread is now.

    Args:
        thread_id: the thread.
        exception: raised without arguments.
        inside: it has to be safe in every frame, from the innermost one out to one of a file in
            this folder; default: in the innermost one.

    Returns:
        Whether it was raised. A thread that is blocked in C sees it when it comes back.
    """
    # Look and raise within one turn on the GIL, or the thread could move on in between. A turn
    # that has just begun lasts for a switch interval at least; only the operating system can
    # make it run out here, and then it is too late to raise.
    with uncollected():
        interval = sys.getswitchinterval()
        sys.setswitchinterval(max(interval, _TURN))
        try:
            sleep(0)
            began = perf_counter()
            frame = sys._current_frames().get(thread_id)
            if frame is None or not _is_safe(frame, inside):
                return False
            thread, raised = ctypes.c_ulong(thread_id), ctypes.py_object(exception)
            if perf_counter() - began > _TURN / 4:
                return False
            return bool(_raise_in(thread, raised) == 1)
        finally:
            sys.setswitchinterval(interval)


def land() -> None:
    """Let an exception land that was raised in this thread, if it has not done so yet.

    It may come late where a call in C fails by itself. To take it back is no way: that leaves
    CPython's loop looking for it for good, and profilers waiting.
    """
    for _ in range(2):
        pass


class Stack:
    """Where a thread was. Source lines are read when it is written: that may call code of an app.

    Args:
        thread_id: a thread; one that has ended has an empty stack.
        inside: leave out the frames up to the last one of a file in this folder.
    """

    def __init__(self, thread_id: int, *, inside: str = "") -> None:
        with uncollected():
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


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Collect no garbage meanwhile.

    A collection runs finalizers, which let go of the GIL: the turn would be over. And one inside of
    ``sys._current_frames`` stops the process for good, because that holds a lock of the interpreter
    (https://github.com/python/cpython/issues/106883).
    """
    is_ours = _looking.acquire(timeout=1.0)  # whoever hangs in here must not stop the others
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()
        if is_ours:
            _looking.release()


def _reset_after_fork() -> None:
    global _looking
    _looking = threading.RLock()


os.register_at_fork(after_in_child=_reset_after_fork)


def _is_safe(innermost: FrameType, inside: str) -> bool:
    if not inside:
        is_installed = _is_installed(innermost)
        return not _is_being_imported(innermost) if is_installed else _is_of_app(innermost)
    frame: FrameType | None = innermost
    while frame is not None:
        if frame is not innermost and frame.f_code.co_filename.startswith(inside):
            return True
        if not (_is_of_app(frame) or _is_installed(frame)):
            return False
        frame = frame.f_back
    return False


def _is_being_imported(frame: FrameType | None) -> bool:
    """Say whether a frame belongs to the import of an installed package, which neighbours share."""
    while frame is not None and not _is_of_app(frame):
        if frame.f_code.co_filename == _IMPORT_SYSTEM:
            return True
        frame = frame.f_back
    return False


def _is_of_app(frame: FrameType) -> bool:
    return not frame.f_code.co_filename.startswith(("<", _HOST, *_STANDARD, *_INSTALLED))


def _is_installed(frame: FrameType) -> bool:
    file = frame.f_code.co_filename
    return file.startswith(_INSTALLED) and not file.startswith(_HOST)  # which may be installed too
