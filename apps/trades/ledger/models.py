"""Trades in the database: the only module that knows how they are stored."""

from __future__ import annotations

import dataclasses
import datetime
import re
from decimal import Decimal

from sqlalchemy import BigInteger, Enum, Index, Integer, select, tuple_
from sqlalchemy.orm import Mapped, mapped_column

from apps.trades.database import Base, db
from apps.trades.ledger.constants import SYMBOL_PATTERN
from apps.trades.ledger.enums import Side
from shared_utils.database import ExactDecimal

_LARGEST_ID = 2**63 - 1


def _values(sides: type[Side]) -> list[str]:
    """Return what is stored for each side: its value, not the name in our code."""
    return [side.value for side in sides]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Draft:
    """A trade that is not stored yet."""

    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    traded_on: datetime.date


class Trade(Base):
    """A stored trade.

    Attributes:
        id: never given twice, also where a trade was deleted.
        owner: id of the user whose it is; empty where it is from before there were users.
    """

    __tablename__ = "trade"
    __table_args__ = (
        Index("ix_trade_owner_newest", "owner", "traded_on", "id"),
        Index("ix_trade_owner_symbol_newest", "owner", "symbol", "traded_on", "id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    owner: Mapped[str]
    symbol: Mapped[str]
    side: Mapped[Side] = mapped_column(
        Enum(Side, native_enum=False, length=4, values_callable=_values)
    )
    quantity: Mapped[Decimal] = mapped_column(ExactDecimal)
    price: Mapped[Decimal] = mapped_column(ExactDecimal)
    traded_on: Mapped[datetime.date]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Page:
    """Some trades, newest first.

    Attributes:
        trades: at most as many as were asked for.
        older: id to pass as ``before`` for the next page; None on the last.
    """

    trades: list[Trade]
    older: int | None


def add(draft: Draft, *, owner: str) -> Trade:
    """Store a trade of a user."""
    trade = Trade(
        owner=owner,
        symbol=draft.symbol,
        side=draft.side,
        quantity=draft.quantity,
        price=draft.price,
        traded_on=draft.traded_on,
    )
    with db.write() as session:
        session.add(trade)
    return trade


def find(trade_id: int, *, owner: str) -> Trade | None:
    """Return the user's trade of this id; None where there is none."""
    if trade_id > _LARGEST_ID:
        return None
    return db.session.scalar(select(Trade).where(Trade.id == trade_id, Trade.owner == owner))


def newest(
    *,
    owner: str,
    size: int,
    symbol: str = "",
    side: Side | None = None,
    before: Trade | None = None,
) -> Page:
    """Return a user's trades by date, and those of one day by the order they were stored in.

    Args:
        owner: id of the user.
        size: how many at most.
        symbol: only trades of this symbol.
        side: only trades of this side.
        before: only trades that come after this one, which ended the page before.
    """
    query = select(Trade).where(Trade.owner == owner)
    if symbol:
        # PostgreSQL would refuse some of what cannot be a symbol.
        if not re.fullmatch(SYMBOL_PATTERN, symbol):
            return Page(trades=[], older=None)
        query = query.where(Trade.symbol == symbol)
    if side:
        query = query.where(Trade.side == side)
    if before:
        query = query.where(tuple_(Trade.traded_on, Trade.id) < (before.traded_on, before.id))
    query = query.order_by(Trade.traded_on.desc(), Trade.id.desc())
    # One more than asked for says whether there is another page.
    trades = list(db.session.scalars(query.limit(size + 1)))
    return Page(trades=trades[:size], older=trades[size - 1].id if len(trades) > size else None)
