from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from shared_utils.forks import call_in_child
from shared_utils.hosting.telemetry.backlog import AT_ONCE, Backlog
from shared_utils.hosting.telemetry.record import Record
from shared_utils.hosting.telemetry.recorder import Recorder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

PATIENCE = 30.0


def ended(number: int = 0) -> Record:
    record = Record(str(number))
    record.duration = time.monotonic() - record.began
    return record


class Told:
    """What a backlog has told of, by which threads; its own may be made to hang."""

    def __init__(self) -> None:
        self.batches: list[Sequence[Record]] = []
        self.threads: set[int] = set()
        self.is_in = threading.Event()
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.backlog = Backlog(self)

    def __call__(self, records: Sequence[Record]) -> None:
        if threading.current_thread() is self.backlog._thread:
            self.is_in.set()
            assert self.may_go_on.wait(PATIENCE)
        self.batches.append(records)
        self.threads.add(threading.get_ident())

    @property
    def records(self) -> list[Record]:
        return [record for batch in self.batches for record in batch]

    def hang(self) -> None:
        """Have its thread hang with one request."""
        self.may_go_on.clear()
        self.backlog.add(ended())
        assert self.is_in.wait(PATIENCE)

    def end(self) -> None:
        self.may_go_on.set()
        self.backlog.end(PATIENCE)


@pytest.fixture
def told() -> Iterator[Told]:
    made = Told()
    made.backlog.start()
    yield made
    made.end()


def test_all_that_end_are_told_of_once_and_in_their_order(told: Told) -> None:
    records = [ended(number) for number in range(1000)]
    for record in records:
        told.backlog.add(record)
    told.end()
    assert told.records == records


def test_the_last_of_so_many_tells_of_them_and_no_thread_is_woken_for_it(told: Told) -> None:
    told.hang()  # so that it takes none
    records = [ended(number) for number in range(2 * AT_ONCE - 1)]
    for record in records:
        told.backlog.add(record)
    assert told.batches == [records[:AT_ONCE]]
    assert told.threads == {threading.get_ident()}


def test_threads_that_end_requests_at_once_lose_none(told: Told) -> None:
    def adding(start: int) -> list[Record]:
        records = [ended(start + number) for number in range(500)]
        for record in records:
            told.backlog.add(record)
        return records

    with ThreadPoolExecutor(8) as pool:
        added = [r for part in pool.map(adding, range(0, 4000, 500)) for r in part]
    told.end()
    assert sorted(int(r.request_id) for r in told.records) == list(range(4000))
    assert {id(record) for record in told.records} == {id(record) for record in added}


def test_it_sleeps_and_wakes_again(
    told: Told, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    for number in range(5):
        told.backlog.add(ended(number))
        eventually(lambda: len(told.records) == number + 1)  # noqa: B023
        eventually(lambda: told.backlog._due == 0)


def test_fewer_are_told_of_together_by_the_thread(told: Told) -> None:
    told.hang()
    others = [ended(number) for number in range(AT_ONCE - 1)]
    for record in others:
        told.backlog.add(record)
    told.end()
    assert told.batches[1:] == [others]
    assert threading.get_ident() not in told.threads


def test_where_the_thread_is_lost_requests_tell_of_themselves(told: Told) -> None:
    told.hang()
    told.backlog._due = time.monotonic() - 1  # it hangs for so long
    waiting, last = ended(), ended()
    told.backlog._ended.append(waiting)
    told.backlog.add(last)
    assert told.records == [waiting, last]  # while the thread hangs
    assert told.threads == {threading.get_ident()}


def test_at_the_end_another_thread_tells_of_the_rest_where_its_own_hangs(
    told: Told, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    told.hang()
    rest = [ended(number) for number in range(AT_ONCE - 1)]
    for record in rest:
        told.backlog.add(record)
    told.backlog.end(0.01)
    eventually(lambda: told.records == rest)


def test_nor_is_anything_left_where_there_is_no_other_thread(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    told.hang()
    rest = ended()
    told.backlog.add(rest)
    monkeypatch.setattr(threading.Thread, "start", fails)
    told.backlog.end(0.01)
    assert told.records == [rest]
    after_that = ended()  # while the thread still hangs, and is not overdue
    told.backlog.add(after_that)
    assert told.records == [rest, after_that]


def test_what_comes_after_the_end_tells_of_itself(told: Told) -> None:
    told.backlog.end(PATIENCE)
    late = ended()
    told.backlog.add(late)
    assert told.records == [late]
    assert told.threads == {threading.get_ident()}


class Gathered:
    """A recorder that gathers, and what it has told."""

    def __init__(self) -> None:
        self.recorder = Recorder()
        self.records: list[Record] = []
        self.recorder.finished.append(self.records.extend)
        self.recorder.gather()


def test_a_recorder_that_settles_has_told_of_all() -> None:
    gathered = Gathered()
    records = [Record() for _ in range(100)]
    for record in records:
        gathered.recorder.running.add(record)
        gathered.recorder.finish(record)
    gathered.recorder.settle(PATIENCE)
    assert gathered.records == records


def test_after_that_requests_tell_of_themselves() -> None:
    gathered = Gathered()
    gathered.recorder.settle(PATIENCE)
    gathered.recorder.settle(PATIENCE)
    late = Record()
    gathered.recorder.finish(late)
    assert gathered.records == [late]


def test_a_listener_that_raises_anything_ends_no_thread_and_keeps_no_other_from_listening(
    eventually: Callable[[Callable[[], bool]], None], caplog: pytest.LogCaptureFixture
) -> None:
    def fails(records: Sequence[Record]) -> None:
        raise SystemExit(3)

    gathered = Gathered()
    gathered.recorder.finished.insert(0, fails)
    for number in range(3):
        gathered.recorder.finish(Record())
        eventually(lambda: len(gathered.records) == number + 1)  # noqa: B023
    gathered.recorder.settle(PATIENCE)
    assert "SystemExit: 3" in caplog.text


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_process_has_no_such_thread_and_does_not_tell_what_is_its_parents() -> None:
    gathered = Gathered()
    call_in_child(gathered.recorder.reset)  # as a row does
    theirs = [Record() for _ in range(3)]
    for record in theirs:
        gathered.recorder.finish(record)
    child = os.fork()
    if not child:
        gathered.records.clear()
        own = Record()
        gathered.recorder.finish(own)
        os._exit(0 if gathered.records == [own] else 1)
    assert os.waitpid(child, 0)[1] == 0
    gathered.recorder.settle(PATIENCE)
    assert gathered.records == theirs


def test_where_the_machine_has_no_thread_left_requests_tell_of_themselves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", fails)
    gathered = Gathered()
    record = Record()
    gathered.recorder.finish(record)
    assert gathered.records == [record]
