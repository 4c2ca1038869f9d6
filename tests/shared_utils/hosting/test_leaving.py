from __future__ import annotations

import ctypes
import os
import sys
import threading
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.workers.gthread import PollableMethodQueue

from shared_utils.hosting import leaving, marks


@pytest.fixture
def worker() -> Any:
    worker = SimpleNamespace(pid=os.getpid(), ppid=0, nr_conns=5, method_queue=None)
    marks.give(worker)
    return worker


def test_stuck_connections_are_left_out_on_the_main_thread(worker: Any) -> None:
    queue = worker.method_queue = PollableMethodQueue()
    queue.init()
    asked = []
    for stuck in (1, 3, 3, 0):
        thread = threading.Thread(target=leaving.ask, args=[worker, stuck])
        thread.start()
        thread.join()
        before = worker.nr_conns
        queue.run_callbacks(None)
        asked.append((before, worker.nr_conns, marks.stuck(worker)))
    queue.close()
    assert asked == [(5, 4, 1), (4, 2, 3), (2, 2, 3), (2, 5, 0)]


def test_workers_of_another_kind_ask_too(worker: Any) -> None:
    leaving.ask(worker, 2)
    assert marks.stuck(worker) == 2
    assert worker.nr_conns == 5


def test_a_process_ends_with_its_threads_and_writes_what_is_left() -> None:
    reader, writer = os.pipe()
    if (pid := os.fork()) == 0:
        sys.stdout = os.fdopen(writer, "w")
        sys.stdout.write("said at last")
        threading.Thread(target=ctypes.CDLL(None).pause).start()
        _leave_stuck()
    os.close(writer)
    with os.fdopen(reader) as said:
        assert said.read() == "said at last"
    assert os.waitpid(pid, 0)[1] == 0


def test_a_lock_that_the_blocked_thread_holds_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(leaving, "FLUSH_WITHIN", 0.01)
    reader, writer = os.pipe()  # nobody reads
    if (pid := os.fork()) == 0:
        sys.stdout = os.fdopen(writer, "w")
        begun = threading.Event()

        def block() -> None:
            begun.set()
            sys.stdout.write("x" * 1_000_000)
            sys.stdout.flush()

        threading.Thread(target=block).start()
        begun.wait()
        _leave_stuck()
    os.close(writer)
    assert os.waitpid(pid, 0)[1] == 0
    os.close(reader)


def test_nothing_ends_without_stuck_threads_or_in_the_master(worker: Any) -> None:
    leaving.leave(worker)
    marks.mark_stuck(worker, 1)
    worker.pid = os.getppid()
    leaving.leave(worker)


def _leave_stuck() -> None:
    worker: Any = SimpleNamespace(pid=os.getpid())
    marks.give(worker)
    marks.mark_stuck(worker, 1)
    try:
        leaving.leave(worker)
    finally:
        os._exit(1)
