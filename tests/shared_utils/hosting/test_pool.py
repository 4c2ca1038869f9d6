"""Jobs are done once each, in their order, by as few threads as keep the process busy."""

from __future__ import annotations

import gc
import itertools
import math
import threading
from collections.abc import Callable, Iterator

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from shared_utils.hosting import pool as module
from shared_utils.hosting.pool import MOST, TURN, WINDOW, Pool
from tests.shared_utils.hosting.pooling import PATIENCE, Clock, stopped


class Jobs:
    """Numbered jobs that block until they are let go, and the pool that they are put into."""

    def __init__(self, size: int) -> None:
        self.begun: list[int] = []
        self.ended: list[int] = []
        self.threads: set[threading.Thread] = set()
        self.most_at_once = 0
        self._changed = threading.Condition()
        self._let_go: set[int] = set()
        self._numbers = itertools.count()
        self._all_may_go = False
        self.pool = Pool(self._answer, size)

    def put(self, count: int = 1) -> None:
        for _ in range(count):
            self.pool.put(next(self._numbers))

    def let_go(self, *numbers: int) -> None:
        """Let jobs end, and wait until they have."""
        with self._changed:
            self._let_go |= set(numbers)
            self._changed.notify_all()
        self.wait(lambda: set(numbers) <= set(self.ended))

    def wait(self, holds: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(holds, PATIENCE), (self.begun, self.ended)

    def have_begun(self, count: int) -> None:
        """Wait until so many jobs have begun: the first ones, and no others."""
        self.wait(lambda: len(self.begun) >= count)
        assert sorted(self.begun) == list(range(count))

    def end(self) -> None:
        """Have all jobs done that are left; the threads end then."""
        with self._changed:
            self._all_may_go = True
            self._changed.notify_all()
        looks = itertools.count()
        while self.pool.are_waiting and next(looks) < PATIENCE / TURN:
            self.pool.look()
            with self._changed:
                self._changed.wait(TURN)
        self.pool.shutdown()
        assert not self.pool.are_waiting
        self.are_gone()

    def are_gone(self) -> None:
        for thread in self.threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()

    def _answer(self, job: int) -> None:
        with self._changed:
            self.begun.append(job)
            self.threads.add(threading.current_thread())
            self.most_at_once = max(self.most_at_once, len(self.begun) - len(self.ended))
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._all_may_go or job in self._let_go)
            self.ended.append(job)
            self._changed.notify_all()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return stopped(monkeypatch)


@pytest.fixture
def jobs(clock: Clock) -> Iterator[Callable[[int], Jobs]]:
    made: list[Jobs] = []

    def make(size: int) -> Jobs:
        made.append(Jobs(size))
        return made[-1]

    yield make
    for each in made:
        each.end()


def test_a_thread_that_is_done_takes_the_next_job(jobs: Callable[[int], Jobs]) -> None:
    some = jobs(8)
    some.put(3)
    for number in range(3):
        some.have_begun(number + 1)
        some.pool.look()
        some.let_go(number)
    assert len(some.threads) == 1
    assert not some.pool.are_waiting


def test_a_job_that_may_be_blocked_keeps_others_waiting_for_a_turn(
    jobs: Callable[[int], Jobs], clock: Clock
) -> None:
    some = jobs(8)
    some.put(5)
    for begun in range(1, 6):
        some.have_begun(begun)
        some.pool.look()
        some.have_begun(begun)
        end_turns(some, clock)
    assert some.most_at_once == 5


def test_a_turn_that_is_over_ends_when_somebody_waits(
    jobs: Callable[[int], Jobs], clock: Clock
) -> None:
    some = jobs(8)
    some.put()
    some.have_begun(1)
    end_turns(some, clock)
    some.put()
    some.pool.look()
    some.have_begun(2)


def test_a_job_that_is_about_to_wait_gives_way_at_once(clock: Clock) -> None:
    begun, waits = threading.Event(), threading.Event()
    done: list[str] = []

    def answer(job: str) -> None:
        done.append(job)
        if job == "first":
            return
        if job == "waits":
            begun.set()
            pool.give_way()
            waits.wait(PATIENCE)
        else:
            waits.set()

    pool = Pool(answer, 2)
    pool.give_way()  # nothing happens: this thread has no turn
    for job in ("first", "waits"):
        pool.put(job)
    assert begun.wait(PATIENCE)
    pool.put("another")
    assert waits.wait(PATIENCE)
    pool.shutdown()
    assert done == ["first", "waits", "another"]


def test_a_nap_ends_when_the_last_job_has_begun(
    jobs: Callable[[int], Jobs], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TURN", 2 * PATIENCE)
    some = jobs(1)
    assert some.pool.nap()  # there is none
    some.put()
    for job in range(3):
        some.put()
        some.have_begun(job + 1)
        is_up = threading.Event()
        was_up: list[bool] = []

        def begin_the_last(job: int, is_up: threading.Event, was_up: list[bool]) -> None:
            while not (some.pool._naps or is_up.wait(0.0001)):
                pass
            some.let_go(job)
            was_up.append(is_up.wait(PATIENCE))

        other = threading.Thread(target=begin_the_last, args=(job, is_up, was_up), daemon=True)
        other.start()
        try:
            assert some.pool.nap()
        finally:
            is_up.set()
        other.join()
        assert was_up == [True]


def test_a_nap_is_no_longer_than_a_turn(jobs: Callable[[int], Jobs], clock: Clock) -> None:
    class Lock:
        waited: list[float]

        def acquire(self, *, blocking: bool = True, timeout: float = -1) -> bool:
            if blocking:
                self.waited.append(timeout)
            return False

        def locked(self) -> bool:
            return True

    some, lock = jobs(8), Lock()
    lock.waited = []
    some.pool._is_dry = lock  # type: ignore[assignment]
    some.put(2)
    some.have_begun(1)
    assert not some.pool.nap()
    assert lock.waited == [TURN]
    assert not some.pool._naps
    some.pool._is_dry = threading.Lock()


def end_turns(some: Jobs, clock: Clock) -> None:
    clock.pass_by(2 * TURN, busy=1)
    some.pool.look()


def test_no_more_threads_than_there_may_be(jobs: Callable[[int], Jobs], clock: Clock) -> None:
    some = jobs(2)
    some.put(4)
    for begun in (1, 2, 2):
        some.have_begun(begun)
        end_turns(some, clock)
    some.have_begun(2)
    some.let_go(0)
    some.have_begun(3)
    some.let_go(1, 2)
    some.have_begun(4)
    assert len(some.threads) == 2


def test_there_are_more_turns_while_jobs_wait_though_the_process_has_time(
    jobs: Callable[[int], Jobs], clock: Clock
) -> None:
    some = jobs(64)
    some.put(40)
    begun = 1
    some.pool.look()
    more = [(0, turns) for turns in range(2, MOST + 1)]
    fewer = [(1, turns) for turns in range(MOST - 1, 0, -1)]
    for busy, turns in [*more, (0, MOST), (0.9, MOST), *fewer, (1, 1), (0.9, 1), (0, 2)]:
        some.have_begun(begun)
        clock.pass_by(2 * WINDOW, busy=busy)
        some.pool.look()
        begun += turns
    some.wait(lambda: len(some.begun) == begun)


def test_there_are_fewer_turns_once_no_job_has_to_wait(
    jobs: Callable[[int], Jobs], clock: Clock
) -> None:
    some = jobs(64)
    some.put(3)
    some.pool.look()
    some.have_begun(1)
    clock.pass_by(2 * WINDOW, busy=0)
    some.pool.look()
    some.have_begun(3)
    for _ in range(1 + MOST):
        clock.pass_by(2 * WINDOW, busy=0)
        some.pool.look()
    some.let_go(*range(3))
    some.put(2)
    some.pool.look()
    some.have_begun(4)
    assert some.pool.are_waiting


def test_threads_that_the_system_does_not_allow_are_done_without(
    jobs: Callable[[int], Jobs], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    some = jobs(8)
    some.put()
    some.have_begun(1)
    clock.pass_by(2 * TURN, busy=1)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        some.pool.look()
        some.put(2)
        some.pool.look()
        some.have_begun(1)
        some.let_go(0)
        some.have_begun(2)
        assert len(some.threads) == 1
    end_turns(some, clock)
    some.have_begun(3)


def test_where_not_even_one_thread_is_allowed_that_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        Pool(print, 8).put("a job")


def test_threads_end_when_they_have_nothing_to_do_or_are_done(
    jobs: Callable[[int], Jobs], clock: Clock
) -> None:
    some = jobs(8)
    some.put(3)
    for begun in (1, 2, 3):
        some.have_begun(begun)
        end_turns(some, clock)
    some.let_go(0, 1)
    some.pool.shutdown()
    some.let_go(2)
    some.are_gone()


def test_what_waits_when_the_pool_ends_is_done(jobs: Callable[[int], Jobs]) -> None:
    some = jobs(8)
    some.put(3)
    some.have_begun(1)
    some.pool.shutdown()
    some.let_go(0)
    some.have_begun(2)
    some.let_go(1, 2)
    some.are_gone()


def test_a_signal_may_end_the_pool_wherever_its_thread_is(
    jobs: Callable[[int], Jobs], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What gunicorn does at SIGQUIT: the handler ends the pool, and raises ``SystemExit``."""

    def quit_at_once() -> float:
        if threading.current_thread() is threading.main_thread():
            some.pool.shutdown()
            raise SystemExit
        return 1000.0

    some = jobs(8)
    some.put()
    some.have_begun(1)
    some.let_go(0)
    [thread] = some.threads
    while not some.pool._resting:
        thread.join(TURN)
    monkeypatch.setattr(module, "monotonic", quit_at_once)
    with pytest.raises(SystemExit):  # while the thread is given a turn
        some.put()
    some.let_go(1)
    some.are_gone()


def test_a_garbage_collection_may_come_while_turns_are_looked_at(
    jobs: Callable[[int], Jobs], clock: Clock
) -> None:
    """It runs finalizers of any app, and other threads meanwhile."""

    def collected(phase: str, info: object) -> None:
        turns = len(some.pool._turns)
        if phase == "start" and turns > 2 and not some.pool._lock.locked():
            some.let_go(*sorted({*some.begun} - {*some.ended})[-2:])
            while len(some.pool._turns) == turns:
                pause.wait(TURN)

    pause = threading.Event()
    some = jobs(64)
    some.put(31)
    some.pool.look()
    begun = 1
    some.pool._most, some.pool._ran_dry = 16, False
    for turns in (16, 14):
        some.have_begun(begun)
        clock.pass_by(2 * WINDOW, busy=0.9)
        some.pool.look()
        begun += turns
    some.have_begun(31)
    some.put()
    clock.pass_by(2 * TURN, busy=1)
    thresholds = gc.get_threshold()
    gc.collect()  # it empties lists of spare tuples, too
    gc.callbacks.append(collected)
    gc.set_threshold(1)
    try:
        some.pool.look()
    finally:
        gc.set_threshold(*thresholds)
        gc.callbacks.remove(collected)


def test_no_garbage_is_collected_while_turns_are_given() -> None:
    """A finalizer that hangs would keep the lock, and with it all threads."""
    pool: Pool[int] = Pool(lambda job: None, 1)
    pool._jobs.append(0)
    pool._most, pool._weighed_at = 0, math.inf  # no turn is given
    was_locked: list[bool] = []

    def collected(phase: str, info: object) -> None:
        if phase == "start":
            was_locked.append(pool._lock.locked())

    kept = gc.get_threshold()
    gc.callbacks.append(collected)
    try:
        for number in range(40):  # whatever the pool makes is once what sets one off
            gc.set_threshold(0)
            gc.collect()
            made: list[Clock | None] = [None] * number
            gc.set_threshold(30)
            for place in range(number):
                made[place] = Clock()
            pool.look()
    finally:
        gc.callbacks.remove(collected)
        gc.set_threshold(*kept)
    assert not any(was_locked)


class Pools(RuleBasedStateMachine):
    """Jobs come, block and end in any order, and one turn at a time is given."""

    @initialize(size=st.integers(1, 5))
    def begin(self, size: int) -> None:
        self.patch = pytest.MonkeyPatch()
        self.clock = Clock()
        self.patch.setattr(module, "monotonic", lambda: self.clock.now)
        self.patch.setattr(module, "process_time", lambda: self.clock.used)
        self.jobs, self.size = Jobs(size), size
        self.jobs.pool.look()
        self.count = 0
        self.running: list[int] = []
        self.waiting: list[int] = []
        self.begun: list[int] = []
        self.turn: int | None = None
        self.turn_since = 0.0

    def give_turn(self) -> None:
        if self.waiting and self.turn is None and len(self.running) < self.size:
            self.turn, self.turn_since = self.waiting.pop(0), self.clock.now
            self.running.append(self.turn)
            self.begun.append(self.turn)

    def agree(self) -> None:
        self.jobs.wait(lambda: len(self.jobs.begun) >= len(self.begun))
        assert self.jobs.begun == self.begun
        assert self.jobs.pool.are_waiting == bool(self.waiting)

    @rule()
    def put(self) -> None:
        self.jobs.put()
        self.waiting.append(self.count)
        self.count += 1
        self.give_turn()
        self.agree()

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def end_one(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(self.running))
        self.jobs.let_go(job)
        self.running.remove(job)
        if self.turn == job:
            self.turn = None
        self.give_turn()
        self.agree()

    @rule()
    def nap(self) -> None:
        assert self.jobs.pool.nap() is not bool(self.waiting)
        self.agree()

    @rule(seconds=st.sampled_from([0, 2 * TURN, 2 * WINDOW]))
    def look(self, seconds: float) -> None:
        self.clock.pass_by(seconds, busy=1)
        self.jobs.pool.look()
        if self.waiting and self.clock.now - self.turn_since >= TURN:
            self.turn = None
        self.give_turn()
        self.agree()

    def teardown(self) -> None:
        if hasattr(self, "jobs"):
            self.jobs.end()
            assert sorted(self.jobs.ended) == sorted(self.jobs.begun) == list(range(self.count))
            assert self.jobs.most_at_once <= self.size
            assert len(self.jobs.threads) <= self.size
            self.patch.undo()


TestPools = Pools.TestCase
TestPools.settings = settings(max_examples=100, stateful_step_count=40)


def test_jobs_that_come_at_any_time_are_done_once_each() -> None:
    """In real time, with jobs that block on one another, compute, or are done at once."""
    done: list[int] = []
    pairs = threading.Barrier(2)

    def answer(job: int) -> None:
        if job % 10 < 2:  # blocked until another one begins
            if job % 20 < 2:
                pool.give_way()
            pairs.wait(PATIENCE)
            pool.take_turn()
        elif job % 3 == 0:
            sum(range(10_000))
        done.append(job)

    before = set(threading.enumerate())

    def threads() -> list[threading.Thread]:
        """Return those of this pool: other tests' may begin and end meanwhile."""
        found = set(threading.enumerate()) - before
        return [thread for thread in found if thread.name.startswith("rowhouse-pool-")]

    pool = Pool(answer, 4)
    for job in range(2000):
        pool.put(job)
        if job % 7 == 0:
            pool.look()
    while not pool.nap():
        pool.look()
        assert len(threads()) <= 4
    pool.shutdown()
    for thread in threads():
        thread.join(PATIENCE)
    assert sorted(done) == list(range(2000))
