from __future__ import annotations

import dataclasses

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from shared_utils.hosting.succession import GRANT_EVERY, Plan, Worker, grant, plan


def up(age: int, *, stuck: int = 0, granted: bool = False, outdated: bool = False) -> Worker:
    return Worker(age=age, booted=True, stuck=stuck, granted=granted, outdated=outdated)


def booting(age: int, *, outdated: bool = False) -> Worker:
    return Worker(age=age, outdated=outdated)


def retired(age: int) -> Worker:
    return Worker(age=age, booted=True, outdated=True, retired=True)


@pytest.mark.parametrize(
    ("workers", "wanted", "spawn", "retire"),
    [
        ([], 2, 2, []),
        ([up(1)], 2, 1, []),
        ([up(1, outdated=True)], 1, 1, []),
        ([up(1, outdated=True), booting(2)], 1, 0, []),
        ([up(1, outdated=True), up(2)], 1, 0, [1]),
        ([up(1, outdated=True), up(2, outdated=True), booting(3), up(4)], 2, 0, [1]),
        ([up(1, outdated=True), booting(2, outdated=True), booting(3)], 1, 0, [2]),
        ([booting(1, outdated=True), booting(2)], 1, 0, [1]),
        ([retired(1), up(2)], 1, 0, []),
        ([retired(1)], 1, 1, []),
        ([up(1, stuck=1, granted=True)], 1, 1, []),
        ([up(1, stuck=1, granted=True), up(2)], 1, 0, [1]),
        ([up(1, stuck=1), up(2)], 2, 0, []),
        ([up(1), up(2), up(3)], 2, 0, [1]),
        ([up(1), booting(2)], 1, 0, [2]),
        ([up(1), booting(2)], 0, 0, [1, 2]),
    ],
    ids=[
        "start",
        "one has died",
        "reload",
        "its successor boots",
        "its successor serves",
        "one of two successors serves",
        "a second reload: what boots for the first one leaves",
        "a reload before anything serves",
        "one finishes its requests",
        "it does so, and its successor has died",
        "stuck and granted",
        "stuck, and its successor serves",
        "stuck but not granted",
        "fewer are wanted",
        "fewer are wanted: the one that serves stays",
        "none is wanted",
    ],
)
def test_who_starts_and_who_leaves(
    workers: list[Worker], wanted: int, spawn: int, retire: list[int]
) -> None:
    assert plan(workers, wanted) == Plan(spawn=spawn, retire=retire)


@pytest.mark.parametrize(
    ("workers", "waited", "granted"),
    [
        ([up(1)], GRANT_EVERY, None),
        ([up(1), up(2, stuck=1)], GRANT_EVERY, 2),
        ([up(1, stuck=1), up(2, stuck=3), up(3, stuck=3)], GRANT_EVERY, 2),
        ([up(1, stuck=1)], GRANT_EVERY - 1, None),
        ([up(1, stuck=1), up(2, stuck=1, granted=True)], GRANT_EVERY, None),
        ([up(1, stuck=1, outdated=True)], GRANT_EVERY, None),
    ],
    ids=["nobody asks", "one asks", "the worst", "a minute", "one at a time", "leaves anyway"],
)
def test_whose_wish_is_granted(workers: list[Worker], waited: float, granted: int | None) -> None:
    assert grant(workers, waited) == granted


class Master(RuleBasedStateMachine):
    """gunicorn's master with ``plan`` and ``grant``, and all that happens to it."""

    def __init__(self) -> None:
        super().__init__()
        self.workers: dict[int, Worker] = {}
        self.last_age = 0
        self.now = 0.0
        self.granted_at: list[float] = []

    @initialize(wanted=st.integers(1, 4))
    def start(self, wanted: int) -> None:
        self.wanted = wanted
        self.step()

    def step(self) -> None:
        """Do what ``manage_workers()`` does, once."""
        serving = self.serving()
        waited = self.now - self.granted_at[-1] if self.granted_at else GRANT_EVERY
        if (age := grant(self.workers.values(), waited)) is not None:
            self.change(age, granted=True)
            self.granted_at.append(self.now)
        step = plan(self.workers.values(), self.wanted)
        assert not any(self.workers[age].retired for age in step.retire)
        for age in step.retire:
            self.change(age, retired=True)
        self.spawn(step.spawn)
        assert self.serving() >= min(serving, self.wanted)
        assert plan(self.workers.values(), self.wanted) == Plan(spawn=0, retire=[])

    def spawn(self, number: int) -> None:
        for _ in range(number):
            self.last_age += 1
            self.workers[self.last_age] = Worker(age=self.last_age)

    def change(self, age: int, **changes: bool | int) -> None:
        self.workers[age] = dataclasses.replace(self.workers[age], **changes)  # type: ignore[arg-type]

    def serving(self) -> int:
        return sum(worker.is_serving for worker in self.workers.values())

    def some(self, data: st.DataObject) -> int:
        return data.draw(st.sampled_from(sorted(self.workers)))

    @precondition(lambda self: self.workers)
    @rule(data=st.data())
    def boots(self, data: st.DataObject) -> None:
        age = self.some(data)
        if not self.workers[age].retired:  # called off, or it serves already
            self.change(age, booted=True)
        self.step()

    @precondition(lambda self: self.workers)
    @rule(data=st.data())
    def ends(self, data: st.DataObject) -> None:
        del self.workers[self.some(data)]
        self.step()

    @precondition(lambda self: self.workers)
    @rule(data=st.data(), threads=st.integers(0, 2))
    def reports_stuck_threads(self, data: st.DataObject, threads: int) -> None:
        age = self.some(data)
        if self.workers[age].booted:
            self.change(age, stuck=threads)
        self.step()

    @rule(wanted=st.integers(1, 4))
    def hup(self, wanted: int) -> None:
        self.wanted = wanted
        for age in self.workers:
            self.change(age, outdated=True)
        self.spawn(wanted)  # as gunicorn's reload() does
        self.step()

    @rule()
    def ttin(self) -> None:
        self.wanted += 1
        self.step()

    @rule()
    def ttou(self) -> None:
        if self.wanted > 1:  # gunicorn's own limit
            self.wanted -= 1
        self.step()

    @rule()
    def winch(self) -> None:
        self.wanted = 0
        for age in self.workers:
            self.change(age, retired=True)
        self.step()

    @rule(seconds=st.sampled_from([1.0, GRANT_EVERY]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.step()

    @invariant()
    def no_more_serve_or_boot_than_are_wanted_but_for_the_old(self) -> None:
        fit = [worker for worker in self.workers.values() if worker.is_fit]
        assert len(fit) == getattr(self, "wanted", 0)
        old = [w for w in self.workers.values() if not w.is_fit and not w.retired]
        assert len(old) <= sum(not worker.booted for worker in fit)
        assert all(worker.booted for worker in old)

    @invariant()
    def one_stuck_worker_at_a_time_and_one_a_minute(self) -> None:
        assert sum(worker.granted for worker in self.workers.values()) <= 1
        pairs = zip(self.granted_at, self.granted_at[1:], strict=False)
        assert all(later - earlier >= GRANT_EVERY for earlier, later in pairs)

    def teardown(self) -> None:
        """Once everything boots and leaves as it should, those that were wanted serve."""
        for _ in range(100):
            for worker in self.workers.values():
                if worker.retired:
                    del self.workers[worker.age]
                    break
                if not worker.booted:
                    self.change(worker.age, booted=True)
                    break
            self.step()
        left = list(self.workers.values())
        assert len(left) == getattr(self, "wanted", 0)
        assert all(worker.is_fit and worker.booted for worker in left)


TestMaster = Master.TestCase
TestMaster.settings = settings(max_examples=200, stateful_step_count=30, deadline=None)
