from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shared_utils.hosting.inspection.recent import FOR, MOST, Recent
from shared_utils.hosting.telemetry.record import Record


def record(duration: float, *, app: str = "shop", began: float = 0, status: int = 200) -> Record:
    made = Record("id", app)
    made.duration, made.began, made.status = duration, began, status
    return made


@given(st.lists(st.floats(0, 100), max_size=4 * MOST))
def test_the_slowest_are_kept(durations: list[float]) -> None:
    recent = Recent(["shop"])
    for duration in durations:
        recent.note([record(duration)])
    kept = [each.duration for each in recent.mounts["shop"].slowest(0)]
    assert kept == sorted(durations, reverse=True)[:MOST]


def test_a_slow_one_makes_room_when_it_is_old() -> None:
    recent = Recent(["shop"])
    for _ in range(MOST):
        recent.note([record(90, began=0)])
    recent.note([record(1, began=FOR / 2)])
    assert {each.duration for each in recent.mounts["shop"].slowest(FOR / 2)} == {90}
    recent.note([record(2, began=FOR + 1)])
    assert [each.duration for each in recent.mounts["shop"].slowest(FOR + 1)] == [2]


def test_nothing_old_is_told_where_no_request_came_since() -> None:
    recent = Recent(["shop"])
    recent.note([record(90)])
    assert recent.mounts["shop"].slowest(FOR + 1) == []


def test_failed_ones_are_kept_but_not_those_that_the_host_has_refused() -> None:
    recent = Recent(["shop"])
    cut, shed, closed = record(1, status=200), record(1, status=503), record(1, status=503)
    cut.failure, shed.shed, closed.unserved = "ValueError: x", "threads", True
    failed = record(1, status=502)
    recent.note([record(1, status=404), failed, shed, closed, cut])
    assert list(recent.mounts["shop"].failed) == [failed, cut]


def test_what_is_for_the_host_itself_is_passed_over() -> None:
    recent = Recent(["shop"])
    recent.note([record(1, app=""), record(2)])
    assert [each.duration for each in recent.mounts["shop"].slowest(0)] == [2]
    assert recent.mounts.keys() == {"shop"}
