from __future__ import annotations

from typing import Any

import pytest

from shared_utils.operations.columns import HEADINGS, columns
from shared_utils.operations.figures import Figures
from shared_utils.operations.rows import MountRow
from shared_utils.operations.verdicts import Kind, Verdict
from shared_utils.operations.wording import NONE, amount, percent, rate, seconds


def test_amounts_are_whole_and_zero_is_nothing_to_look_at() -> None:
    assert [amount(x) for x in (None, 0, 7, 12345)] == [NONE, NONE, "7", "12,345"]


def test_rates_have_as_many_digits_as_mean_something() -> None:
    said = [NONE, NONE, "<0.1", "0.5", "9.9", "100", "1,234"]
    assert [rate(x) for x in (None, 0, 0.01, 0.5, 9.94, 99.6, 1234)] == said


def test_a_small_part_is_not_put_as_none() -> None:
    said = [NONE, NONE, "<1%", "1%", "42%", "100%"]
    assert [percent(x) for x in (None, 0, 0.001, 0.01, 0.421, 1)] == said


def test_durations_are_put_in_the_unit_that_suits_them() -> None:
    said = [NONE, "0.0 ms", "0.1 ms", "500 ms", "5.0 s", "50 s", "8 min"]
    assert [seconds(x) for x in (None, 0, 0.0001, 0.5, 5, 50, 500)] == said


def row(*wrong: Kind, **facts: Any) -> MountRow:
    verdicts = tuple(Verdict(kind=kind, words="") for kind in wrong)
    return MountRow(name="shop", title="Shop", verdicts=verdicts, **facts)


def test_the_columns_of_a_table() -> None:
    figures = Figures(rate=12, error_rate=0.5, p50=0.25, p99=2, shed=3, cpu_share=0.75)
    found = columns(row(running=4, parked=5, figures=figures))
    assert [column.heading for column in found] == list(HEADINGS)
    shown = ["12", "50%", "250 ms", "2.0 s", "4", "5", "3", "75%"]
    assert [column.shown for column in found] == shown
    assert not any(column.is_culprit for column in found)


@pytest.mark.parametrize(
    ("kind", "heading"),
    [
        (Kind.FAILING, ["Errors"]),
        (Kind.HANGING, ["Running"]),
        (Kind.SHEDDING, ["Shed"]),
        (Kind.GREEDY, ["CPU"]),
        (Kind.DOWN, []),
        (Kind.CHECK, []),
    ],
)
def test_the_figure_that_shows_what_is_wrong_is_known(kind: Kind, heading: list[str]) -> None:
    found = columns(row(Kind.STARTING, kind))
    assert [column.heading for column in found if column.is_culprit] == heading
