"""A job that waits gives its turn up, and has one again for what is left of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from shared_utils.hosting import pool as module
from shared_utils.hosting.pool import TURN, Pool
from tests.shared_utils.hosting.pooling import PATIENCE, Clock, stopped


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return stopped(monkeypatch)


def by(thread: object, pool: Pool[Any], step: Callable[[], object]) -> None:
    """Take a step of a pool in the name of one of its threads."""
    before = getattr(pool._own, "lock", None)
    pool._own.lock = thread
    step()
    pool._own.lock = before


class Returning:
    """A pool of jobs, one of which has lost its turn and asks for another one when it is told to.

    Attributes:
        order: what was done, in the order in which it was.
    """

    def __init__(self, eventually: Callable[[Callable[[], bool]], None]) -> None:
        self._eventually = eventually
        self.order: list[str] = []
        self.asks, self.ends = threading.Event(), threading.Event()
        self._begun: dict[str, threading.Event] = {
            name: threading.Event() for name in ("returns", "has the turn", "waits")
        }
        self.pool: Pool[str] = Pool(self._answer, 8)
        self.put("returns")
        self.put("has the turn")

    def put(self, job: str, *, begins: bool = True) -> None:
        self.pool.put(job)
        if begins:
            assert self._begun[job].wait(PATIENCE)

    def ask(self) -> None:
        """Have the job that returns ask for a turn, and wait until it does."""
        self.asks.set()
        self._eventually(lambda: bool(self.pool._returning))

    def is_back(self) -> None:
        """Wait until the job that returns is done."""
        self._eventually(lambda: "returns" in self.order)

    def is_free(self) -> None:
        """Wait until nobody has a turn."""
        self._eventually(lambda: not self.pool._turns)

    def end(self) -> None:
        self.ends.set()
        self._eventually(lambda: len(self.order) == 3)
        self.is_free()
        self.pool.shutdown()
        assert not self.pool._returning

    def finish(self) -> None:
        """Let everything end, wherever a test has stopped."""
        self.asks.set()
        self.ends.set()
        self.pool.shutdown()

    def _answer(self, job: str) -> None:
        if job == "returns":
            self.pool.give_way()  # first: who puts the next job has to find that turn free
        self._begun[job].set()
        if job == "returns":
            assert self.asks.wait(PATIENCE)
            self.pool.take_turn()
        elif job == "has the turn":
            assert self.ends.wait(PATIENCE)
        self.order.append(job)


@pytest.fixture
def returning(
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    eventually: Callable[[Callable[[], bool]], None],
) -> Iterator[Returning]:
    """Yield one that waits for a turn for as long as a test takes."""
    monkeypatch.setattr(module, "TURN", 2 * PATIENCE)
    made = Returning(eventually)
    yield made
    made.finish()


def test_who_comes_back_has_the_turn_before_those_that_wait(returning: Returning) -> None:
    returning.put("waits", begins=False)
    returning.ask()
    returning.end()
    assert returning.order == ["has the turn", "returns", "waits"]


@pytest.mark.parametrize("gives", ["way", "look"])
def test_who_comes_back_has_a_turn_that_another_one_loses(
    returning: Returning, clock: Clock, gives: str
) -> None:
    returning.put("waits", begins=False)
    returning.ask()
    if gives == "look":
        clock.pass_by(3 * PATIENCE, busy=1)
        returning.pool.look()
    else:
        [holder] = returning.pool._turns
        by(holder, returning.pool, returning.pool.give_way)
    returning.is_back()
    returning.end()
    assert returning.order[0] == "returns"


def test_a_turn_that_is_lost_is_for_who_comes_back_though_nobody_waits(
    returning: Returning,
) -> None:
    returning.ask()
    [holder] = returning.pool._turns
    by(holder, returning.pool, returning.pool.give_way)
    returning.is_back()
    returning.put("waits")
    returning.end()


def test_who_comes_back_goes_on_without_a_turn_where_none_comes(
    returning: Returning, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TURN", TURN)
    returning.asks.set()
    returning.is_back()
    assert len(returning.pool._turns) == 1
    assert not returning.pool._returning
    returning.put("waits", begins=False)
    returning.end()
    assert returning.order == ["returns", "has the turn", "waits"]


def test_who_comes_back_has_a_free_turn_at_once(returning: Returning) -> None:
    returning.ends.set()
    returning.is_free()
    returning.asks.set()
    returning.is_back()
    returning.put("waits")
    returning.end()


def test_who_has_a_turn_keeps_it(
    clock: Clock, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    turns: list[float] = []

    def answer(job: int) -> None:
        clock.now += 1
        pool.take_turn()
        turns.extend(pool._turns.values())

    pool = Pool(answer, 1)
    pool.take_turn()  # nothing happens: this thread is none of the pool's
    pool.put(0)
    eventually(lambda: bool(turns) and not pool._turns)
    pool.shutdown()
    assert turns == [1000.0]


class Held:
    """A lock that a thread of the pool rests on; ``meanwhile`` comes as its wait is over."""

    def __init__(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        self.is_held, self._meanwhile = True, meanwhile

    def acquire(self, timeout: float | None = None) -> bool:
        if timeout is not None:
            self._meanwhile()
            return False
        assert not self.is_held
        self.is_held = True
        return True

    def locked(self) -> bool:
        return True

    def release(self) -> None:
        if not self.is_held:
            raise RuntimeError("release unlocked lock")
        self.is_held = False


def posed(*turns: Held) -> Pool[int]:
    """Return a pool without threads, but for those that tests have act for some."""
    pool: Pool[int] = Pool(lambda job: None, 8)
    pool._turns = dict.fromkeys(turns, 1000.0)  # type: ignore[arg-type]
    return pool


def test_a_turn_that_comes_as_the_wait_is_over_is_taken(clock: Clock) -> None:
    other = Held()
    pool = posed(other)
    me = Held(lambda: by(other, pool, pool.give_way))
    by(me, pool, pool.take_turn)
    assert me.is_held
    assert list(pool._turns) == [me]  # type: ignore[comparison-overlap]
    assert not pool._returning


def test_a_turn_too_many_is_given_to_nobody(clock: Clock) -> None:
    one, other, asks = Held(), Held(), Held()
    pool = posed(one, other)
    pool._returning.append(asks)  # type: ignore[arg-type]
    by(one, pool, pool.give_way)
    assert asks.is_held
    by(other, pool, pool.give_way)
    assert not asks.is_held


def test_the_end_of_the_pool_may_come_between_two_steps_of_a_turn(clock: Clock) -> None:
    woken = Held()
    woken.is_held = False
    pool = posed()
    pool._resting.append(woken)  # type: ignore[arg-type]
    with pool._lock:
        assert pool._wake()
    pool._threads.append(woken)  # type: ignore[arg-type]
    pool.shutdown()


def test_a_thread_that_cannot_be_woken_goes_on_resting(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def recursed_too_deep() -> float:
        raise RecursionError

    one, rests = Held(), Held()
    pool = posed(one)
    pool._resting.append(rests)  # type: ignore[arg-type]
    pool._jobs.append(0)
    monkeypatch.setattr(module, "monotonic", recursed_too_deep)
    with pytest.raises(RecursionError):
        by(one, pool, pool.give_way)
    assert pool._resting == [rests]  # type: ignore[comparison-overlap]
    assert rests.is_held
    assert not pool._lock.locked()


def test_what_waits_when_the_pool_ends_is_done_though_its_turn_was_given_up(
    clock: Clock, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    done: list[str] = []
    both, begun, goes = threading.Barrier(2), threading.Event(), threading.Event()

    def answer(job: str) -> None:
        if job in ("one", "other"):
            both.wait(PATIENCE)
        elif job == "first":
            begun.set()
            assert goes.wait(PATIENCE)
            pool.give_way()
        done.append(job)

    pool = Pool(answer, 2)
    for job in ("one", "other"):
        pool.put(job)
    clock.pass_by(2 * TURN, busy=1)
    pool.look()
    eventually(lambda: len(pool._resting) == 2)
    pool._most = 1
    for job in ("first", "second"):
        pool.put(job)
    assert begun.wait(PATIENCE)
    pool.shutdown()
    eventually(lambda: not pool._resting)
    goes.set()
    eventually(lambda: sorted(done) == ["first", "one", "other", "second"])
    eventually(lambda: not pool._turns)


def test_who_comes_back_goes_on_where_the_pool_ends(returning: Returning) -> None:
    returning.put("waits", begins=False)
    returning.ask()
    returning.pool.shutdown()
    returning.is_back()
    returning.end()
