"""Positions, first in, first out, in exact decimals."""

from __future__ import annotations

import datetime
import fractions
from collections.abc import Iterable
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.trades.ledger.enums import Side
from apps.trades.ledger.positions import Book, Position, Traded, reckon

DAY = datetime.date(2024, 5, 6)


def trades(*lines: str) -> Iterable[Traded]:
    """Read trades such as "buy 10 ACME at 12.50"; those of each line a day later."""
    for number, line in enumerate(lines):
        side, quantity, symbol, _, price = line.split()
        day = DAY + datetime.timedelta(days=number)
        yield Traded(day, symbol, Side(side), Decimal(quantity), Decimal(price))


def only(book: Book) -> Position:
    (position,) = book.positions
    return position


@pytest.mark.parametrize(
    ("lines", "quantity", "cost", "realised"),
    [
        (["buy 10 A at 2"], "10", "20", "0"),
        (["buy 10 A at 2", "buy 5 A at 4"], "15", "40", "0"),
        (["buy 10 A at 2", "sell 4 A at 3"], "6", "12", "4"),
        (["buy 10 A at 2", "buy 10 A at 4", "sell 15 A at 5"], "5", "20", "35"),
        (["buy 10 A at 2", "sell 10 A at 1"], "0", "0", "-10"),
        (["sell 10 A at 5"], "-10", "-50", "0"),
        (["sell 10 A at 5", "buy 4 A at 3"], "-6", "-30", "8"),
        (["sell 10 A at 5", "buy 10 A at 7"], "0", "0", "-20"),
        (["buy 10 A at 2", "sell 15 A at 3"], "-5", "-15", "10"),
        (["sell 5 A at 3", "buy 15 A at 2"], "10", "20", "5"),
        (["buy 0.1 A at 0.1", "buy 0.2 A at 0.1", "sell 0.3 A at 0.2"], "0", "0", "0.03"),
        (["buy 0.00000001 A at 0.00000001"], "0.00000001", "0.0000000000000001", "0"),
        (
            ["buy 999999999999.99999999 A at 999999999999.99999999"],
            "999999999999.99999999",
            "999999999999999999980000.0000000000000001",
            "0",
        ),
    ],
    ids=lambda value: ", ".join(value) if isinstance(value, list) else None,
)
def test_first_in_is_first_out(lines: list[str], quantity: str, cost: str, realised: str) -> None:
    position = only(reckon(trades(*lines)))

    assert position.quantity == Decimal(quantity)
    assert position.cost == Decimal(cost)
    assert position.realised == Decimal(realised)
    assert position.trades == len(lines)


def test_symbols_do_not_meet() -> None:
    book = reckon(trades("buy 1 B at 1", "sell 1 A at 5", "sell 1 B at 3", "buy 1 A at 4"))

    assert [(each.symbol, each.realised) for each in book.positions] == [
        ("A", Decimal(1)),
        ("B", Decimal(2)),
    ]
    assert book.realised == 3
    assert book.by_day == [
        (DAY + datetime.timedelta(days=2), Decimal(2)),
        (DAY + datetime.timedelta(days=3), Decimal(3)),
    ]


def test_a_day_ends_once() -> None:
    one_day = (trade._replace(traded_on=DAY) for trade in trades(*["buy 1 A at 1"] * 2))
    sold = (trade._replace(traded_on=DAY) for trade in trades(*["sell 1 A at 3"] * 2))

    assert reckon([*one_day, *sold]).by_day == [(DAY, Decimal(4))]


def test_a_sale_without_profit_is_a_point_of_the_curve() -> None:
    assert reckon(trades("buy 1 A at 1", "sell 1 A at 1")).by_day == [
        (DAY + datetime.timedelta(days=1), Decimal(0))
    ]


def test_no_trades_make_no_positions() -> None:
    assert reckon([]) == Book(positions=[], realised=Decimal(0), by_day=[])


@pytest.mark.parametrize(
    ("lines", "average"),
    [
        (["buy 1 A at 1", "buy 2 A at 2"], "1.66666667"),
        (["sell 3 A at 2.50"], "2.5"),
        (["buy 1 A at 1", "sell 1 A at 1"], None),
    ],
)
def test_average_is_rounded_and_is_none_of_nothing(lines: list[str], average: str | None) -> None:
    assert only(reckon(trades(*lines))).average == (Decimal(average) if average else None)


amounts = st.integers(1, 10**20 - 1).map(lambda number: Decimal(number).scaleb(-8))
many = st.lists(
    st.builds(
        Traded,
        traded_on=st.just(DAY),
        symbol=st.sampled_from(["A", "B"]),
        side=st.sampled_from(Side),
        quantity=st.one_of(amounts, st.integers(1, 5).map(Decimal)),
        price=amounts,
    ),
    max_size=20,
)


@given(many)
def test_money_is_neither_made_nor_lost(all_trades: list[Traded]) -> None:
    """What went out is what is held at cost, less what was earned; with fractions as the judge."""
    book = reckon(all_trades)

    for position in book.positions:
        own = [trade for trade in all_trades if trade.symbol == position.symbol]
        signed = [
            (fractions.Fraction(t.quantity) * (1 if t.side is Side.BUY else -1), t.price)
            for t in own
        ]
        assert position.trades == len(own)
        assert position.quantity == sum(quantity for quantity, _ in signed)
        paid = sum(quantity * fractions.Fraction(price) for quantity, price in signed)
        assert fractions.Fraction(position.cost) - fractions.Fraction(position.realised) == paid
        assert (position.cost > 0) == (position.quantity > 0)
        assert (position.cost < 0) == (position.quantity < 0)
    earned = [fractions.Fraction(position.realised) for position in book.positions]
    assert fractions.Fraction(book.realised) == sum(earned)


@given(many)
def test_the_same_lot_by_lot(all_trades: list[Traded]) -> None:
    """One unit at a time, where quantities are whole: the definition, slowly."""
    whole = [trade._replace(quantity=Decimal(int(trade.quantity) % 5 + 1)) for trade in all_trades]
    held: dict[str, list[tuple[int, Decimal]]] = {}
    earned: dict[str, fractions.Fraction] = {}
    for trade in whole:
        sign = 1 if trade.side is Side.BUY else -1
        for _ in range(int(trade.quantity)):
            lots = held.setdefault(trade.symbol, [])
            if lots and lots[0][0] != sign:
                was, paid = lots.pop(0)
                profit = was * (fractions.Fraction(trade.price) - fractions.Fraction(paid))
                earned[trade.symbol] = earned.get(trade.symbol, fractions.Fraction(0)) + profit
            else:
                lots.append((sign, trade.price))

    for position in reckon(whole).positions:
        lots = held[position.symbol]
        assert position.quantity == sum(sign for sign, _ in lots)
        assert fractions.Fraction(position.cost) == sum(
            sign * fractions.Fraction(price) for sign, price in lots
        )
        assert fractions.Fraction(position.realised) == earned.get(position.symbol, 0)
