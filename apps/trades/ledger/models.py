"""The tables of the ledger."""

from __future__ import annotations

import dataclasses
import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, Enum, Index, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from apps.trades.database import Base
from apps.trades.ledger.enums import Side
from shared_utils.database import ExactDecimal


@dataclasses.dataclass(frozen=True, kw_only=True)
class Draft:
    """A trade that is not stored yet; its decimals as short as they can be."""

    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    traded_on: datetime.date

    @property
    def terms(self) -> str:
        """The terms as text, the same for equal trades."""
        return terms_of(self.side, self.quantity, self.price)


def terms_of(side: Side, quantity: Decimal, price: Decimal) -> str:
    """Return the terms of a trade as text, such as ``buy 10 at 12.5``."""
    return f"{side} {quantity:f} at {price:f}"


class Trade(Base):
    """A trade of somebody's.

    It is known by what it says and by how many equal ones the owner has: the first has occurrence
    1, the next 2. So the same file may be imported again, and one with two equal rows is two
    trades.

    Attributes:
        id: never given twice, also where a trade was deleted.
        owner: id of the identity whose it is; empty where it is from before there were users.
        terms: side, quantity and price as text: decimals cannot be compared in SQL everywhere.
        occurrence: the how-many-eth of its kind; there are no gaps.
    """

    __tablename__ = "trade"
    __table_args__ = (
        UniqueConstraint("owner", "symbol", "traded_on", "terms", "occurrence", name="uq_trade"),
        Index("ix_trade_owner_newest", "owner", "traded_on", "id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    owner: Mapped[str]
    traded_on: Mapped[datetime.date]
    symbol: Mapped[str]
    side: Mapped[Side] = mapped_column(
        Enum(
            Side,
            native_enum=False,
            length=4,
            values_callable=lambda sides: [side.value for side in sides],
        )
    )
    quantity: Mapped[Decimal] = mapped_column(ExactDecimal)
    price: Mapped[Decimal] = mapped_column(ExactDecimal)
    terms: Mapped[str] = mapped_column(String(60))
    occurrence: Mapped[int] = mapped_column(Integer)


class LedgerVersion(Base):
    """Which version somebody's ledger has; see :mod:`apps.trades.ledger.versions`.

    Attributes:
        owner: id of the identity whose it is.
        version: another one after each change.
    """

    __tablename__ = "ledger_version"

    owner: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[str] = mapped_column(String(16))


def row_of(owner: str, draft: Draft, occurrence: int) -> dict[str, Any]:
    """Return the columns of a trade, for an INSERT."""
    return {
        "owner": owner,
        "traded_on": draft.traded_on,
        "symbol": draft.symbol,
        "side": draft.side,
        "quantity": draft.quantity,
        "price": draft.price,
        "terms": draft.terms,
        "occurrence": occurrence,
    }
