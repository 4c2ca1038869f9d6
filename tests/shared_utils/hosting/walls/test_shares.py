from __future__ import annotations

import itertools

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from shared_utils.hosting.walls.shares import ALPHA, Share, Shares


def taken(shares: Shares, share: Share) -> int:
    return sum(1 for _ in itertools.takewhile(lambda _: shares.take(share), range(1000)))


def test_one_busy_app_gets_three_quarters_of_the_slots() -> None:
    shares, busy, other = Shares(64, 512), Share(), Share()
    assert taken(shares, busy) == 48
    assert taken(shares, other) >= 1


def test_two_busy_apps_get_three_sevenths_each() -> None:
    shares, one, other = Shares(64, 512), Share(), Share()
    while any([shares.take(one), shares.take(other)]):
        pass
    assert (one.running, other.running) == (28, 27)


def test_a_cap_narrows_the_share_and_never_widens_it() -> None:
    assert taken(Shares(64, 512), Share(max_running=8)) == 8
    assert taken(Shares(64, 512), Share(max_running=64)) == 48


def test_an_app_that_runs_nothing_is_admitted_where_no_slot_is_free() -> None:
    shares = Shares(1, 512)
    assert [taken(shares, Share()) for _ in range(5)] == [1, 1, 1, 1, 1]


@pytest.mark.parametrize(("cap", "expected"), [(float("inf"), 384), (10, 10)])
def test_threads_are_shared_likewise(cap: float, expected: int) -> None:
    shares, share = Shares(64, 512), Share(max_threads=cap)
    assert sum(shares.hold(share) for _ in range(600)) == expected
    assert shares.hold(Share())


def test_the_parked_are_admitted_first_in_first_out_and_nobody_overtakes() -> None:
    shares, share = Shares(4, 512), Share()
    assert taken(shares, share) == 3
    shares.park(share, "first")
    shares.park(share, "second")
    assert shares.give_back(share) == ["first"]
    assert not shares.take(share)
    assert shares.give_back(share) == ["second"]


def test_a_freed_slot_goes_to_the_app_that_runs_fewest() -> None:
    shares = Shares(8, 512)
    many, few, third = Share(), Share(), Share()
    for share in (many, many, many, few, few, third, third):
        assert shares.take(share)
    assert not shares.take(many)
    shares.park(many, "of many")
    while shares.take(few):
        pass
    shares.park(few, "of few")
    while few.running > 1:
        few.running -= 1
        shares.running -= 1
    admitted = shares.give_back(third)
    assert admitted[0] == "of few"


class Requests(RuleBasedStateMachine):
    """Requests to three apps come, wait, run, end and give up in any order."""

    @initialize(
        slots=st.integers(1, 9),
        threads=st.integers(1, 30),
        caps=st.lists(st.sampled_from([1, 2, 4, float("inf")]), min_size=3, max_size=3),
    )
    def begin(self, slots: int, threads: int, caps: list[float]) -> None:
        self.shares = Shares(slots, threads)
        self.apps = [Share(max_running=cap, max_threads=4 * cap) for cap in caps]
        self.held: dict[int, int] = {}
        self.running: dict[int, int] = {}
        self.parked: dict[int, int] = {}
        self.numbers = itertools.count()

    @rule(app=st.integers(0, 2))
    def request(self, app: int) -> None:
        share, number = self.apps[app], next(self.numbers)
        idle = share.held == 0
        holds = self.shares.hold(share)
        assert holds or not idle
        if not holds:
            return
        self.held[number] = app
        idle = share.running == 0
        if self.shares.take(share):
            self.running[number] = app
        else:
            assert not idle  # an app that runs nothing never waits
            self.shares.park(share, number)
            self.parked[number] = app

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def stop(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.running)))
        oldest = {app: min(n for n, a in self.parked.items() if a == app) for app in
                  set(self.parked.values())}  # fmt: skip
        for admitted in self.shares.give_back(self.apps[self.running.pop(number)]):
            assert isinstance(admitted, int)
            app = self.parked.pop(admitted)  # each is admitted once only
            assert oldest[app] == admitted
            self.running[admitted] = app
            left = [n for n, a in self.parked.items() if a == app]
            oldest[app] = min(left, default=-1)

    @precondition(lambda self: bool(set(self.held) - set(self.running) - set(self.parked)))
    @rule(data=st.data())
    def let_go(self, data: st.DataObject) -> None:
        over = sorted(set(self.held) - set(self.running) - set(self.parked))
        self.shares.let_go(self.apps[self.held.pop(data.draw(st.sampled_from(over)))])

    @precondition(lambda self: self.parked)
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.parked)))
        app = self.parked.pop(number)
        assert self.shares.withdraw(self.apps[app], number)
        assert not self.shares.withdraw(self.apps[app], number)

    @invariant()
    def nothing_is_lost_or_given_twice(self) -> None:
        for index, share in enumerate(self.apps):
            assert share.running == sum(app == index for app in self.running.values())
            assert share.held == sum(app == index for app in self.held.values())
            assert list(share.parked) == sorted(n for n, a in self.parked.items() if a == index)
        assert self.shares.running == len(self.running)
        assert self.shares.held == len(self.held)

    @invariant()
    def no_more_run_than_slots_and_floors(self) -> None:
        assert self.shares.running <= self.shares.slots + len(self.apps)
        assert self.shares.held <= self.shares.threads + len(self.apps)
        assert all(share.running <= share.max_running for share in self.apps)

    @invariant()
    def nobody_waits_who_might_run(self) -> None:
        free = self.shares.slots - self.shares.running
        for share in self.apps:
            if share.parked:
                assert share.running > 0
                assert share.running >= min(ALPHA * free, share.max_running)


Requests.TestCase.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)
TestRequests = Requests.TestCase
