"""An app that takes too much of the CPU runs fewer requests, where others wait for it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_utils.hosting.walls.allowances import BUSY, FIRST, PARALLEL, Seen, adjusted

GREEDY = Seen(used=0.9, running=40)
WAITS = Seen(used=0.05, waits=True, running=1)


def test_an_app_that_keeps_others_waiting_is_halved_down_to_one() -> None:
    allowances: dict[str, float] = {"greedy": 48}
    told = []
    for _ in range(8):
        allowances = adjusted(allowances, {"greedy": GREEDY, "other": WAITS}, 1)
        told.append(allowances["greedy"])
    assert told == [24, 12, 6, 3, 1, 1, 1, 1]
    assert allowances["other"] == FIRST


@pytest.mark.parametrize(("computing", "expected"), [(2, 48), (3, 24)])
def test_where_there_is_time_left_only_who_computes_is_halved(
    computing: int, expected: int
) -> None:
    """The machine may have given the process no more of its time."""
    greedy = Seen(used=0.4, running=4, computing=computing)
    assert adjusted({"greedy": 48}, {"greedy": greedy, "other": WAITS}, 0.5)["greedy"] == expected


def test_nobody_is_halved_where_nobody_waits() -> None:
    seen = {"greedy": GREEDY, "other": Seen(used=0.05, running=1)}
    assert adjusted({"greedy": 64.0, "other": 4.0}, seen, 1) == {"greedy": 64, "other": 4}


def test_who_has_more_than_its_share_waits_for_itself() -> None:
    seen = {"greedy": Seen(used=0.9, waits=True, running=40), "other": Seen(used=0.05, running=1)}
    assert adjusted({"greedy": 64.0, "other": 4.0}, seen, 1)["greedy"] == 64


def test_apps_with_equal_shares_are_left_alone() -> None:
    seen = dict.fromkeys("ab", Seen(used=0.45, waits=True, running=4))
    assert adjusted({"a": 4.0, "b": 4.0}, seen, 1) == {"a": 4, "b": 4}


def test_of_three_the_one_that_takes_most_is_halved() -> None:
    seen = {"a": Seen(used=0.5, running=8), "b": Seen(used=0.3, running=8), "c": WAITS}
    assert adjusted({"a": 8.0, "b": 8.0, "c": 8.0}, seen, 1) == {"a": 4, "b": 8, "c": 8}


@pytest.mark.parametrize(
    ("busy", "expected"),
    [(0.0, 8), (BUSY - 0.01, 8), (BUSY, 4), (1.0, 4), (PARALLEL, 4), (PARALLEL + 0.01, 8), (7, 8)],
)
def test_an_app_alone_is_given_more_unless_the_interpreter_is_full(
    busy: float, expected: float
) -> None:
    seen = {"alone": Seen(used=0.5, running=4, parked=3)}
    assert adjusted({"alone": 4}, seen, busy) == {"alone": expected}


def test_an_app_that_computes_outside_of_python_is_given_more() -> None:
    seen = {"alone": Seen(used=4, running=4, parked=3, computing=4)}
    assert adjusted({"alone": 4}, seen, 4.1) == {"alone": 8}


@pytest.mark.parametrize(("computing", "expected"), [(2, 8), (3, 4), (4, 4)])
def test_requests_that_compute_gain_nothing_from_others_however_little_time_they_get(
    computing: int, expected: float
) -> None:
    seen = {"alone": Seen(used=0.3, running=4, parked=3, computing=computing)}
    assert adjusted({"alone": 4.0}, seen, 0.3) == {"alone": expected}


def test_requests_that_do_a_little_again_and_again_are_given_more() -> None:
    seen = {"alone": Seen(used=0.2, running=4, parked=3, computing=4)}
    assert adjusted({"alone": 4.0}, seen, 0.3) == {"alone": 8}


def test_nobody_is_given_more_who_does_not_use_what_there_is() -> None:
    """The slots are the limit then."""
    seen = {"alone": Seen(used=0.2, running=48, parked=30)}
    assert adjusted({"alone": 64}, seen, 0.3) == {"alone": 64}


@pytest.mark.parametrize("parked", [0, 3])
def test_an_app_that_was_held_back_recovers_once_nobody_waits_for_it(parked: int) -> None:
    seen = {"quiet": Seen(running=1, parked=parked), "other": Seen(used=0.9, running=2)}
    allowances: dict[str, float] = {"quiet": 1}
    for _ in range(5):
        allowances = adjusted(allowances, seen, 1)
    assert allowances["quiet"] == FIRST


def test_an_app_with_less_than_its_share_is_given_more_though_no_time_is_left() -> None:
    seen = {"little": Seen(used=0.2, running=4, parked=3), "much": Seen(used=0.8, running=1)}
    assert adjusted({"little": 4.0, "much": 4.0}, seen, 1) == {"little": 8, "much": 4}


def test_an_app_that_has_its_share_is_not_given_more_while_no_time_is_left() -> None:
    seen = {"one": Seen(used=0.45, running=1, parked=3), "other": Seen(used=0.5, running=1)}
    assert adjusted({"one": 1.0, "other": 4.0}, seen, 1)["one"] == 1


def test_nobody_is_given_more_for_whom_nobody_is_parked() -> None:
    assert adjusted({"app": 4.0}, {"app": Seen(used=0.1, running=4)}, 0.1) == {"app": 4}


def test_an_app_that_comes_begins_with_a_few() -> None:
    assert adjusted({}, {"new": Seen(running=1)}, 0) == {"new": FIRST}


def test_an_app_that_is_away_loses_what_it_had_by_and_by() -> None:
    allowances: dict[str, float] = {"many": 48, "one": 1}
    told = []
    while allowances:
        allowances = adjusted(allowances, {}, 0)
        told.append(allowances.get("many", FIRST))
    assert told == sorted(told, reverse=True)
    assert told[0] == 42
    assert told[-1] == FIRST


apps = st.dictionaries(
    st.sampled_from("abcd"),
    st.builds(
        Seen,
        used=st.floats(0, 16),
        waits=st.booleans(),
        running=st.integers(0, 512),
        parked=st.integers(0, 512),
        computing=st.integers(0, 512),
    ),
)


@given(apps, st.floats(0, 16), st.data())
def test_one_may_always_run_and_changes_are_by_half_or_double(
    seen: dict[str, Seen], busy: float, data: st.DataObject
) -> None:
    allowances = {name: float(data.draw(st.integers(1, 512), name)) for name in seen}
    for name, allowance in adjusted(allowances, seen, busy).items():
        assert 1 <= allowance <= max(FIRST, 2 * allowances[name])
        if allowance < allowances[name]:  # somebody else has waited
            assert any(app.waits for other, app in seen.items() if other != name)
        if allowance > max(FIRST, allowances[name]):
            assert seen[name].parked
