"""Whose requests wait is found out by what some of them take, and tried anew now and then."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_utils.hosting import blocking as module
from shared_utils.hosting.blocking import ENOUGH, EVERY, GRACE, LONG, LONGEST, PART, SETTLE, Habit

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


class Exchange:
    """A request, as far as it is begun with."""

    def __init__(self, host: Host, meanwhile: Callable[[], object]) -> None:
        self.host, self.meanwhile = host, meanwhile

    def begin(self, app: WSGIApplication, blocks: bool = False) -> Iterable[bytes]:
        self.host.gave_way.append(blocks)
        self.meanwhile()
        return [b"answered"]


class Host:
    """An app, and a time that goes by where a test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.used, self.used_by_thread = 1000.0, 50.0, 5.0
        monkeypatch.setattr(module, "monotonic", lambda: self.now)
        monkeypatch.setattr(module, "process_time", lambda: self.used)
        monkeypatch.setattr(module, "thread_time", lambda: self.used_by_thread)
        self.habit = Habit()
        self.gave_way: list[bool] = []
        """Of each request so far, whether it did."""

    def request(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        """Begin with a request, as a mount does."""
        exchange: Any = Exchange(self, meanwhile)
        app: Any = None
        before = len(self.gave_way)
        if self.now < self.habit.looks_at:
            exchange.begin(app)
        else:
            assert self.habit.begin(exchange, app, self.now) == [b"answered"]
        assert len(self.gave_way) > before

    def requests(self, *waits: float, cpu: float = 0.0003, busy: float = 0.5) -> None:
        """Begin with requests that compute, and wait for so many seconds.

        Args:
            busy: seconds of CPU that the process takes in each.
        """

        def go_by(wait: float) -> None:
            self.now += wait + cpu
            self.used += busy * (wait + cpu)
            self.used_by_thread += cpu

        for wait in waits:
            self.request(partial(go_by, wait))


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(monkeypatch)


WAIT = 2 * LONG
WAITING, QUICK = [WAIT] * ENOUGH, [0.0] * ENOUGH


def test_an_app_whose_requests_wait_gives_its_turns_up(host: Host) -> None:
    host.requests(*WAITING[1:])
    assert not host.habit.blocks
    host.requests(WAIT)
    assert host.habit.blocks
    assert not any(host.gave_way)
    host.requests(WAIT, WAIT)
    assert host.gave_way[-3:] == [False, True, True]


@pytest.mark.parametrize(
    "kind",
    [{"wait": LONG / 2}, {"wait": 0.0, "cpu": 2 * LONG}, {"wait": WAIT, "busy": 1.0}],
    ids=["a little", "computing", "while others compute"],
)
def test_another_one_keeps_them(host: Host, kind: dict[str, float]) -> None:
    wait, other = kind["wait"], {name: kind[name] for name in kind if name != "wait"}
    for _ in range(3):
        host.requests(*[wait] * ENOUGH, **other)
        host.now += 2 * EVERY
    assert not any(host.gave_way)


@given(waits=st.lists(st.booleans(), min_size=ENOUGH, max_size=ENOUGH))
def test_it_takes_a_part_of_them(waits: list[bool]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        host = Host(patch)
        host.requests(*[WAIT if waits_long else 0.0 for waits_long in waits])
        assert host.habit.blocks is (sum(waits) > PART * ENOUGH)


def test_of_an_app_that_keeps_them_some_are_looked_at_now_and_then(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.requests(*QUICK)
    looked_at = host.habit.looks_at
    assert looked_at == host.now + EVERY
    host.requests(*[0.0] * 100)
    assert host.habit.looks_at == looked_at
    host.now = looked_at
    host.requests(*WAITING)
    assert host.habit.blocks


def all_at_once(host: Host, after: Callable[[], object], count: int = ENOUGH) -> None:
    """Begin with so many requests, each while the one before it runs; then with ``after``."""
    if count:
        host.request(lambda: all_at_once(host, after, count - 1))
    else:
        after()


def test_those_that_do_not_come_back_count_as_waiting(host: Host) -> None:
    def later() -> None:
        host.requests(0.0, 0.0)
        assert not host.habit.blocks
        host.now += GRACE
        host.requests(0.0)
        assert host.habit.blocks
        assert host.gave_way == [False] * (ENOUGH + 2) + [True]
        tried_at = host.habit._tried_at
        ended.append(tried_at)

    ended: list[float] = []
    all_at_once(host, later)
    # What they took is of a time that was judged.
    assert host.habit.blocks
    assert [host.habit._tried_at] == ended


def test_one_that_fails_counts_as_waiting(host: Host) -> None:
    def fail() -> None:
        raise RuntimeError("the server's")

    for _ in range(ENOUGH):
        with pytest.raises(RuntimeError):
            host.request(fail)
    host.now += GRACE
    host.requests(0.0)
    assert host.habit.blocks


def tries(host: Host) -> float:
    """Let time go by until it is tried anew; return how long that was."""
    began = host.now
    while host.habit.blocks:
        host.now += EVERY / 16
        host.requests(0.0, cpu=0.0)
        assert host.now - began <= LONGEST + EVERY
    return host.now - began


def test_it_is_tried_anew_and_more_and_more_rarely(host: Host) -> None:
    host.requests(*WAITING)
    pauses = []
    for _ in range(7):
        pauses.append(tries(host))
        assert not host.gave_way[-1]
        host.now += SETTLE
        host.requests(*WAITING)
        assert host.habit.blocks
    assert pauses == [1, 2, 4, 8, 16, 16, 16]


def test_an_app_that_waits_no_more_keeps_its_turns_again(host: Host) -> None:
    host.requests(*WAITING)
    for _ in range(3):
        tries(host)
        host.now += SETTLE
        host.requests(*QUICK)
        assert not host.habit.blocks
        host.now += EVERY
        host.requests(*WAITING)
        assert host.habit.blocks
    assert tries(host) == EVERY


def test_who_competed_up_to_a_try_may_end_before_it_is_looked(host: Host) -> None:
    host.requests(*WAITING)
    tries(host)
    began = host.now
    host.requests(*[SETTLE / 2 / ENOUGH] * ENOUGH)
    assert host.habit.looks_at == began + SETTLE
    assert not host.habit._cohort.begun
