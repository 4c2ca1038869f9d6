"""Positions: what is held, what it cost, and what was earned with what is held no more.

First in, first out: a sale sells what was bought first. What is sold beyond what is held opens a
*short* position, whose quantity and cost are negative; buying covers it, first in, first out. A
trade that passes through zero closes one position and opens the other with the rest. So trades may
be recorded and imported in any order of days: what counts is the order by day, and within a day
that of recording.

All sums are exact: a decimal that would have to be rounded raises ``decimal.Inexact``. Every lot is
opened once and closed once, so the time grows with the number of trades, and the memory with the
lots that are open.
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
from collections import deque
from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from apps.trades.ledger.enums import Side

_EXACT = decimal.Context(
    prec=200,  # a product has 40 digits at most; 160 more are left to sum them up
    traps=[decimal.Inexact, decimal.InvalidOperation, decimal.Overflow],
)
_ZERO = Decimal(0)
_SHOWN = Decimal("1E-8")


class Traded(NamedTuple):
    """What positions need to know of a trade."""

    traded_on: datetime.date
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal


@dataclasses.dataclass(frozen=True, kw_only=True)
class Position:
    """All trades of one symbol, taken together.

    Attributes:
        symbol: what was traded.
        quantity: how many are held; below zero where more were sold than bought.
        cost: what the held ones cost; of a short position what they brought, below zero.
        realised: profit of what was bought and sold again; below zero where it is a loss.
        trades: how many trades there were.
    """

    symbol: str
    quantity: Decimal
    cost: Decimal
    realised: Decimal
    trades: int

    @property
    def average(self) -> Decimal | None:
        """What one of the held cost on average, rounded to 8 places; None where none is held."""
        if not self.quantity:
            return None
        return (self.cost / self.quantity).quantize(_SHOWN).normalize()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Book:
    """All positions, and how the profit came about.

    Attributes:
        positions: by symbol.
        realised: profit of all, to the last day.
        by_day: for each day that something was sold again, the profit up to its end.
    """

    positions: list[Position]
    realised: Decimal
    by_day: list[tuple[datetime.date, Decimal]]


def reckon(trades: Iterable[Traded]) -> Book:
    """Take ``trades`` together; they come in order, and are looked at once.

    Raises:
        decimal.Inexact: a number is too long to reckon with exactly.
    """
    symbols: dict[str, _Symbol] = {}
    by_day: dict[datetime.date, Decimal] = {}
    realised = _ZERO
    with decimal.localcontext(_EXACT):
        for day, symbol, side, quantity, price in trades:
            held = symbols.get(symbol)
            if held is None:
                held = symbols[symbol] = _Symbol()
            earned = held.trade(quantity if side is Side.BUY else -quantity, price)
            if earned is not None:
                realised += earned
                by_day[day] = realised
    return Book(
        positions=[symbols[symbol].position(symbol) for symbol in sorted(symbols)],
        realised=realised,
        by_day=list(by_day.items()),
    )


class _Symbol:
    """The open lots of one symbol, oldest first: all bought, or all sold short."""

    __slots__ = ("cost", "lots", "quantity", "realised", "trades")

    def __init__(self) -> None:
        self.lots: deque[tuple[Decimal, Decimal]] = deque()
        self.quantity = self.cost = self.realised = _ZERO
        self.trades = 0

    def trade(self, quantity: Decimal, price: Decimal) -> Decimal | None:
        """Add a trade, a sale with a negative quantity; return what it earned, if it closed any."""
        self.trades += 1
        self.quantity += quantity
        earned = None
        while quantity and self.lots and (self.lots[0][0] > 0) is not (quantity > 0):
            lot, paid = self.lots.popleft()
            closed = lot if abs(lot) <= abs(quantity) else -quantity
            if lot != closed:
                self.lots.appendleft((lot - closed, paid))
            quantity += closed
            self.cost -= closed * paid
            earned = (earned or _ZERO) + closed * (price - paid)
        if quantity:
            self.lots.append((quantity, price))
            self.cost += quantity * price
        if earned is not None:
            self.realised += earned
        return earned

    def position(self, symbol: str) -> Position:
        return Position(
            symbol=symbol,
            quantity=self.quantity,
            cost=self.cost,
            realised=self.realised,
            trades=self.trades,
        )
