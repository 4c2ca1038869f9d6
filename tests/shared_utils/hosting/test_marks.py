from __future__ import annotations

import mmap
import os
import signal
from types import SimpleNamespace
from typing import Any

import pytest

from shared_utils.hosting import marks


@pytest.fixture
def worker() -> Any:
    worker = SimpleNamespace()
    marks.give(worker)
    return worker


def test_a_forked_process_is_heard(worker: Any) -> None:
    assert (marks.is_booted(worker), marks.stuck(worker)) == (False, 0)
    if (pid := os.fork()) == 0:
        marks.mark_booted(worker)
        marks.mark_stuck(worker, 3)
        os._exit(0)
    os.waitpid(pid, 0)
    assert (marks.is_booted(worker), marks.stuck(worker)) == (True, 3)


def test_more_stuck_threads_than_a_byte_holds(worker: Any) -> None:
    marks.mark_stuck(worker, 512)
    assert marks.stuck(worker) == 255


def test_only_a_worker_that_does_not_serve_is_called_off(worker: Any) -> None:
    assert not marks.is_called_off(worker)
    assert marks.call_off(worker)
    assert marks.is_called_off(worker)
    marks.mark_booted(worker)
    assert not marks.call_off(worker)


@pytest.mark.parametrize("size", [None, 1], ids=["without marks", "one byte"])
def test_workers_of_older_code(size: int | None) -> None:
    worker: Any = SimpleNamespace()
    if size is not None:
        worker.boot_mark = mmap.mmap(-1, size)
    assert marks.is_booted(worker) == (size is None)
    assert marks.stuck(worker) == 0
    assert not marks.call_off(worker)
    assert not marks.is_called_off(worker)
    marks.take(worker)


def test_only_the_parent_is_woken() -> None:
    woken = []
    before = signal.signal(signal.SIGCHLD, lambda number, frame: woken.append(number))
    try:
        marks.wake_master(SimpleNamespace(ppid=os.getpid()))  # not the parent of this process
        assert woken == []
        ppid = os.getpid()
        if (pid := os.fork()) == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            marks.wake_master(SimpleNamespace(ppid=ppid))
            signal.pause()
        while not woken:
            signal.sigtimedwait([], 0.01)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    finally:
        signal.signal(signal.SIGCHLD, before)
