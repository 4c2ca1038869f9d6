"""The line of the positions page."""

from __future__ import annotations

import datetime
import re
from decimal import Decimal

import pytest

from apps.trades.ledger.chart import HEIGHT, WIDTH, Chart, draw

DAY = datetime.date(2024, 1, 1)


def drawn(*values: str, apart: int = 1) -> Chart:
    chart = draw(
        [(DAY + datetime.timedelta(days=n * apart), Decimal(v)) for n, v in enumerate(values)]
    )
    assert chart
    return chart


def test_nothing_makes_no_chart() -> None:
    assert draw([]) is None


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        (["10", "-5"], ["-5", "0", "5", "10"]),
        (["0"], ["0", "1"]),
        (["0.01"], ["0.000", "0.005", "0.010"]),
        (["-4000", "300000"], ["-100 k", "0", "100 k", "200 k", "300 k"]),
        (["2500000"], ["0", "1 M", "2 M", "3 M"]),
    ],
    ids=str,
)
def test_values_are_marked_in_round_numbers(values: list[str], labels: list[str]) -> None:
    assert [tick.label for tick in drawn(*values).values] == labels


@pytest.mark.parametrize("value", ["1E+40", "-1E+40", "1E-16", "999999999999"])
def test_any_value_has_its_place(value: str) -> None:
    chart = drawn("1", value)

    numbers = [float(number) for number in re.findall(r"[-0-9.]+", chart.area)]
    assert all(0 <= number <= WIDTH for number in numbers)
    assert all(0 <= tick.at <= HEIGHT for tick in chart.values)
    assert 2 <= len(chart.values) <= 8


def test_size_does_not_grow_with_the_days() -> None:
    many = drawn(*(str(number % 7) for number in range(20_000)))

    assert many.line.count("V") <= WIDTH


def test_days_are_marked() -> None:
    assert [tick.label for tick in drawn("1").days] == ["2024-01-01"]
    assert [tick.label for tick in drawn("1", "2", apart=10).days] == [
        *("2024-01-01", "2024-01-06", "2024-01-11"),
    ]
