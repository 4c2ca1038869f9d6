"""Whose requests wait is found out by what they took, and tried anew now and then."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_utils.hosting import blocking as module
from shared_utils.hosting.blocking import (
    ENOUGH,
    FIRST,
    LONGEST,
    PART,
    SAMPLED,
    SETTLE,
    Blocking,
)
from shared_utils.hosting.pool import TURN
from shared_utils.hosting.telemetry.record import Record
from shared_utils.hosting.telemetry.recorder import Recorder

CPU = 0.0003


@dataclasses.dataclass
class Mount:
    blocks: bool = False


class Host:
    """Two apps, and a time that goes by where a test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(module, "monotonic", lambda: self.now)
        self.mounts = {"slow": Mount(), "quick": Mount()}
        self.recorder = Recorder()
        Blocking(self.recorder, self.mounts).begin()

    @property
    def slow_blocks(self) -> bool:
        return self.mounts["slow"].blocks

    def end(self, *records: Record) -> None:
        """Have so many requests end, one after the other, that each of these is looked at."""
        for record in records:
            self.recorder._tell([record] * SAMPLED)

    def record(
        self, app: str = "slow", *, blocked: float = 0.0, waited: float = 0.0, began: float = 0.0
    ) -> Record:
        record = Record("an-id-of-16-char", app, came_at=self.now - began)
        record.waited, record.cpu = waited, CPU
        record.duration = waited + CPU + blocked
        return record


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(monkeypatch)


def blocked_for_long(host: Host) -> None:
    """Have enough requests end that were blocked."""
    host.end(*[host.record(blocked=10 * TURN) for _ in range(ENOUGH)])


def quick(host: Host) -> None:
    host.end(*[host.record() for _ in range(ENOUGH)])


def test_an_app_blocks_whose_requests_wait_for_longer_than_a_turn(host: Host) -> None:
    blocked_for_long(host)
    assert host.slow_blocks
    assert not host.mounts["quick"].blocks


def test_not_before_enough_of_them_are_seen(host: Host) -> None:
    host.end(*[host.record(blocked=10 * TURN) for _ in range(ENOUGH - 1)])
    assert not host.slow_blocks


@pytest.mark.parametrize(("blocked", "waited"), [(TURN / 2, 0.0), (0.0, 1.0)])
def test_a_short_wait_and_one_before_the_app_is_called_do_not_count(
    host: Host, blocked: float, waited: float
) -> None:
    host.end(*[host.record(blocked=blocked, waited=waited) for _ in range(4 * ENOUGH)])
    assert not host.slow_blocks


@given(blocked=st.integers(0, ENOUGH))
def test_a_part_of_them_is_enough(blocked: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        host = Host(patch)
        for number in range(ENOUGH):
            host.end(host.record(blocked=10 * TURN if number < blocked else 0.0))
        assert host.slow_blocks is (blocked > PART * ENOUGH)


def test_some_of_those_told_of_at_once_stand_for_all(host: Host) -> None:
    many = [host.record(blocked=10 * TURN) for _ in range(ENOUGH * SAMPLED)]
    host.recorder._tell(many[: -2 * SAMPLED])
    assert not host.slow_blocks
    host.recorder._tell(many[: 2 * SAMPLED])
    assert host.slow_blocks


def test_a_request_that_was_shed_says_nothing(host: Host) -> None:
    for _ in range(ENOUGH):
        shed = host.record()
        shed.shed = "queue_timeout"
        host.end(shed, shed, shed, host.record(blocked=10 * TURN))
    assert host.slow_blocks


def test_what_is_of_no_mount_is_left_out(host: Host) -> None:
    host.end(*[host.record("", blocked=1.0), host.record("gone", blocked=1.0)] * ENOUGH)
    assert not host.slow_blocks


def tries(host: Host) -> float:
    """Let time go by until it is tried anew; return how long that was."""
    began = host.now
    while host.slow_blocks:
        host.now += FIRST / 16
        host.end(host.record(blocked=10 * TURN, began=FIRST))
        assert host.now - began <= LONGEST + FIRST
    return host.now - began


def test_it_is_tried_anew_and_more_and_more_rarely(host: Host) -> None:
    blocked_for_long(host)
    pauses = []
    for _ in range(7):
        pauses.append(tries(host))
        host.now += 2 * SETTLE
        blocked_for_long(host)
        assert host.slow_blocks
    assert pauses == [1, 2, 4, 8, 16, 16, 16]


def test_an_app_that_waits_no_more_has_turns_again(host: Host) -> None:
    blocked_for_long(host)
    for _ in range(3):
        tries(host)
        host.now += 2 * SETTLE
        quick(host)
        assert not host.slow_blocks
        blocked_for_long(host)
        assert host.slow_blocks
    assert tries(host) == FIRST


def test_what_began_before_a_try_or_right_after_says_nothing(host: Host) -> None:
    blocked_for_long(host)
    tries(host)
    for _ in range(2 * ENOUGH):
        host.end(host.record(blocked=10 * TURN, began=1.0), host.record(blocked=10 * TURN))
    assert not host.slow_blocks
    host.now += 2 * SETTLE
    quick(host)
    assert not host.slow_blocks
    # What came before and has waited for its thread began after that.
    waited = [host.record(blocked=10 * TURN, began=1.0, waited=1.0) for _ in range(ENOUGH)]
    host.end(*waited)
    assert host.slow_blocks
