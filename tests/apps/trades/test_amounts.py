"""Decimals as pages show them: exact, whatever their size."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Environment, PackageLoader


@pytest.mark.parametrize(
    ("value", "number", "money"),
    [
        ("0", "0", "0.00"),
        ("-0", "0", "0.00"),
        ("3", "3", "3.00"),
        ("100", "100", "100.00"),
        ("1200", "1,200", "1,200.00"),
        ("12.5", "12.5", "12.50"),
        ("12.50000000", "12.5", "12.50"),
        ("-0.5", "-0.5", "-0.50"),
        ("0.00000001", "0.00000001", "0.00000001"),
        ("-1234567.125", "-1,234,567.125", "-1,234,567.125"),
        ("1E+3", "1,000", "1,000.00"),
        ("9" * 40 + ".123", ",".join(["9", *["999"] * 13]) + ".123", None),
    ],
)
def test_number_and_money(value: str, number: str, money: str | None) -> None:
    assert shown("number", Decimal(value)) == number
    assert shown("money", Decimal(value)) == (number if money is None else money)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=8))
def test_no_digit_is_lost(value: Decimal) -> None:
    for macro in ("number", "money"):
        assert Decimal(shown(macro, value).replace(",", "")) == value


def test_a_profit_says_so_in_sign_and_colour() -> None:
    assert shown("profit", Decimal("1200")) == '<span class="good">+1,200.00</span>'
    assert shown("profit", Decimal("-3.5")) == '<span class="bad">-3.50</span>'
    assert shown("profit", Decimal("0")) == "<span>0.00</span>"


TEMPLATES = Environment(loader=PackageLoader("apps.trades"), autoescape=True)


def shown(macro: str, value: Decimal) -> str:
    return str(getattr(TEMPLATES.get_template("trades/amounts.html").module, macro)(value))
