from __future__ import annotations

import gc
import itertools
from typing import Any

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

from shared_utils.hosting.walls.shares import ALPHA, Parked, Share, Shares


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
    assert (len(one.running), len(other.running)) == (28, 27)


def test_a_cap_narrows_the_share_and_never_widens_it() -> None:
    assert taken(Shares(64, 512), Share(max_running=8)) == 8
    assert taken(Shares(64, 512), Share(max_running=64)) == 48


def test_an_allowance_narrows_the_share_and_never_keeps_an_app_from_running() -> None:
    shares, share = Shares(64, 512), Share(allowance=3)
    assert not shares.is_held_back(share)
    assert taken(shares, share) == 3
    assert shares.is_held_back(share)
    assert taken(Shares(64, 512), Share(allowance=64)) == 48
    assert taken(Shares(64, 512), Share(allowance=1, max_running=8)) == 1


def test_an_app_that_runs_nothing_is_admitted_where_no_slot_is_free() -> None:
    shares = Shares(1, 512)
    assert [taken(shares, Share()) for _ in range(5)] == [1, 1, 1, 1, 1]


@pytest.mark.parametrize(("cap", "expected"), [(float("inf"), 384), (10, 10)])
def test_threads_are_shared_likewise(cap: float, expected: int) -> None:
    shares, share = Shares(64, 512), Share(max_threads=cap)
    assert sum(shares.hold(share) is not None for _ in range(600)) == expected
    assert shares.hold(Share()) is not None


class Request(Parked):
    def __init__(self, name: object) -> None:
        self.name = name


def given_back(shares: Shares, share: Share) -> list[Any]:
    """Give a slot back, and return the names of those who got one by it."""
    admitted = [*iter(shares.admit, None)] if shares.stop(share) else []
    return [request.name for request in admitted if isinstance(request, Request)]


def test_the_parked_are_admitted_first_in_first_out_and_nobody_overtakes() -> None:
    shares, share = Shares(4, 512), Share()
    assert taken(shares, share) == 3
    shares.park(share, Request("first"))
    shares.park(share, Request("second"))
    assert given_back(shares, share) == ["first"]
    assert not shares.take(share)
    assert given_back(shares, share) == ["second"]


def test_a_freed_slot_goes_to_the_app_that_runs_fewest() -> None:
    shares = Shares(8, 512)
    many, few, third = Share(), Share(), Share()
    for share in (many, many, many, few, few, third, third):
        assert shares.take(share)
    assert not shares.take(many)
    shares.park(many, Request("of many"))
    while shares.take(few):
        pass
    shares.park(few, Request("of few"))
    while len(few.running) > 1:
        shares.stop(few)
    assert given_back(shares, third)[0] == "of few"


def test_those_who_have_given_up_are_forgotten() -> None:
    shares, share = Shares(1, 512), Share()
    assert shares.take(share)
    requests = [Request(number) for number in range(5)]
    for request in requests:
        shares.park(share, request)
    for request in requests[::-1]:
        assert shares.withdraw(share, request)
    assert (share.parked, len(share.queue)) == (0, 0)
    assert given_back(shares, share) == []


def test_nothing_is_made_that_the_garbage_collector_counts() -> None:
    """A collection in here would run finalizers of apps under the one lock."""
    shares, one, other = Shares(2, 8), Share(), Share()
    requests = [Request(number) for number in range(6)]
    both = [other, one]
    collections: list[str] = []

    def under_the_lock() -> None:
        for n in range(2):  # no loop over a tuple: that makes an iterator
            shares.hold(both[n], True)
            shares.take(both[n])
        for n in range(6):
            shares.park(both[n % 2], requests[n])
        shares.withdraw(one, requests[3])
        for _ in range(2):
            shares.stop(other)
            while shares.admit() is not None:
                pass
        shares.let_go(one)

    def collected(phase: str, info: object) -> None:
        collections.append(phase)

    thresholds = gc.get_threshold()
    gc.collect()
    gc.callbacks.append(collected)
    gc.set_threshold(1)
    try:
        collections.clear()
        under_the_lock()
        counted = len(collections)
    finally:
        gc.set_threshold(*thresholds)
        gc.callbacks.remove(collected)
    assert counted == 0


def test_who_comes_later_does_not_run_before_those_that_are_parked() -> None:
    shares, one, other = Shares(1, 64), Share(), Share()
    assert shares.hold(one, True) and shares.hold(other, True)
    for share in (one, other):
        assert shares.hold(share, True) is False
    parked = Request(1)
    shares.park(one, parked)
    shares.slots = 64  # they may run now, and are not admitted yet
    assert shares.hold(one, True) is False
    assert shares.hold(other, True) is True
    assert shares.admit() is parked


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
        self.requests: dict[int, Request] = {}

    @rule(app=st.integers(0, 2), at_once=st.booleans())
    def request(self, app: int, at_once: bool) -> None:
        share, number = self.apps[app], next(self.numbers)
        idle = not share.held
        was_running = len(share.running)
        runs = self.shares.hold(share, at_once)
        assert runs is not None or not idle
        if runs is None:
            return
        assert len(share.running) == was_running + runs
        assert at_once or not runs
        self.held[number] = app
        idle = was_running == 0
        if not runs:
            runs = self.shares.take(share)
            assert not (at_once and runs)
        if runs:
            self.running[number] = app
        else:
            assert not idle  # an app that runs nothing never waits
            self.requests[number] = Request(number)
            self.shares.park(share, self.requests[number])
            self.parked[number] = app

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def stop(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.running)))
        oldest = {app: min(n for n, a in self.parked.items() if a == app) for app in
                  set(self.parked.values())}  # fmt: skip
        for admitted in given_back(self.shares, self.apps[self.running.pop(number)]):
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
        assert self.shares.withdraw(self.apps[app], self.requests[number])
        assert not self.shares.withdraw(self.apps[app], self.requests[number])

    @rule(app=st.integers(0, 2), allowance=st.sampled_from([1, 2, 4, float("inf")]))
    def allow(self, app: int, allowance: float) -> None:
        self.apps[app].allowance = allowance
        for request in iter(self.shares.admit, None):
            assert isinstance(request, Request)
            self.running[request.name] = self.parked.pop(request.name)  # type: ignore[index, call-overload]

    @invariant()
    def nothing_is_lost_or_given_twice(self) -> None:
        for index, share in enumerate(self.apps):
            assert len(share.running) == sum(app == index for app in self.running.values())
            assert len(share.held) == sum(app == index for app in self.held.values())
            waiting = [r.name for r in share.queue if isinstance(r, Request) and r.waits]
            assert waiting == sorted(n for n, a in self.parked.items() if a == index)
            assert share.parked == len(waiting)
        assert len(self.shares.running) == len(self.running)
        assert len(self.shares.held) == len(self.held)

    @invariant()
    def no_more_run_than_slots_and_floors(self) -> None:
        assert len(self.shares.running) <= self.shares.slots + len(self.apps)
        assert len(self.shares.held) <= self.shares.threads + len(self.apps)
        assert all(len(share.running) <= share.max_running for share in self.apps)

    @invariant()
    def nobody_waits_who_might_run(self) -> None:
        free = self.shares.slots - len(self.shares.running)
        for share in self.apps:
            if share.parked:
                assert share.running
                assert len(share.running) >= min(ALPHA * free, share.max_running, share.allowance)


Requests.TestCase.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)
TestRequests = Requests.TestCase
