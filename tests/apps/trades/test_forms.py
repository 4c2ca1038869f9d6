"""Which fields make a trade, and what is said of the others."""

from __future__ import annotations

import datetime
from decimal import Decimal

import pytest

from apps.trades.ledger.enums import Side
from apps.trades.ledger.forms import InvalidTradeError, read
from apps.trades.ledger.models import Draft

SOUND = {
    "symbol": "ACME",
    "side": "buy",
    "quantity": "10",
    "price": "12.50",
    "traded_on": "2024-05-06",
}

NO_NUMBERS = (
    *("", "0", "0.00", "-1", "+1", "1e3", "NaN", "Infinity", "1,5", "1_0", ".5", "1.", "\u0661"),
    *("1.123456789", "1" * 13, "1" * 60000, None, True, 1.5, ["1"]),
)
UNSOUND: dict[str, tuple[object, ...]] = {
    "symbol": (
        *(
            "",
            "4ACME",
            "\u0131BM",
            "\u00dfA",
            "A\u00df",
            "\ufb01",
            "ACME!",
            "A" * 13,
            "A B",
            "A\nB",
            "\u0410CME",
            "A\0",
            "<b>",
        ),
        *("'; DROP TABLE trade; --", None, 5, ["A"], {}),
    ),
    "side": ("", "BUY", "hold", None, True, ["buy"]),
    "quantity": NO_NUMBERS,
    "price": NO_NUMBERS,
    "traded_on": (
        *("", "2024-02-30", "20240506", "2024-W19-1", "06.05.2024", "2024-5-6", None),
        *("2024-05-06T00:00", "9999-12-31", "10000-01-01"),
    ),
}


def test_sound_fields_make_a_trade() -> None:
    assert read({**SOUND, "csrf_token": "x"}) == Draft(
        symbol="ACME",
        side=Side.BUY,
        quantity=Decimal("10"),
        price=Decimal("12.50"),
        traded_on=datetime.date(2024, 5, 6),
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("symbol", "BRK.B"),
        ("symbol", "A"),
        ("symbol", "A-23456789.1"),
        ("symbol", " ACME "),
        ("symbol", "brk.B"),
        ("quantity", "0.00000001"),
        ("quantity", "999999999999.99999999"),
        ("price", "007"),
        ("side", "sell"),
        ("traded_on", datetime.date.today().isoformat()),
        ("traded_on", "2024-02-29"),
    ],
)
def test_values_at_the_edge_are_taken(field: str, value: str) -> None:
    assert read({**SOUND, field: value})


@pytest.mark.parametrize(
    ("field", "value"),
    [(field, value) for field, values in UNSOUND.items() for value in values],
    ids=lambda value: repr(value)[:24],
)
def test_anything_else_is_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(InvalidTradeError) as caught:
        read({**SOUND, field: value})

    assert list(caught.value.errors) == [field]


def test_everything_wrong_is_said_at_once() -> None:
    with pytest.raises(InvalidTradeError) as caught:
        read({})

    assert list(caught.value.errors) == ["symbol", "side", "quantity", "price", "traded_on"]


def test_a_day_that_has_begun_nowhere_is_refused(day_after_tomorrow: str) -> None:
    with pytest.raises(InvalidTradeError, match="today or a day in the past"):
        read({**SOUND, "traded_on": day_after_tomorrow})


@pytest.mark.parametrize(
    ("text", "canonical"),
    [("12.50", "12.5"), ("10.00", "10"), ("007", "7"), ("100", "100"), ("0.10", "0.1")],
)
def test_one_value_has_one_form(text: str, canonical: str) -> None:
    assert str(read({**SOUND, "price": text}).price) == canonical
