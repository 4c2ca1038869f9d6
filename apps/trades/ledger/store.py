"""Trades in the database, each for its owner alone."""

from __future__ import annotations

import dataclasses
import datetime
import re
from collections.abc import Iterator, Sequence
from typing import cast

from sqlalchemy import ColumnElement, and_, delete, false, func, select, tuple_, update

from apps.trades.database import db
from apps.trades.ledger import fields, versions
from apps.trades.ledger.constants import PLACE_PATTERN
from apps.trades.ledger.enums import Side
from apps.trades.ledger.models import Draft, Trade, row_of
from apps.trades.ledger.positions import Traded

_BATCH = 1000
"""Trades that are read at once where all are wanted."""

_LARGEST_ID = 2**63 - 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Filter:
    """Which trades of an owner.

    Attributes:
        symbol: those of this symbol; "": of all.
        side: those of this side; None: of both.
        since: those of this day and later.
        until: those of this day and earlier.
    """

    symbol: str = ""
    side: Side | None = None
    since: datetime.date | None = None
    until: datetime.date | None = None


@dataclasses.dataclass(frozen=True, order=True)
class Place:
    """A place in the order of trades."""

    traded_on: datetime.date
    id: int

    def __str__(self) -> str:
        """Return it as a page's link has it: the day as a number, and the id."""
        return f"{self.traded_on.toordinal()}_{self.id}"

    @classmethod
    def parse(cls, text: str) -> Place:
        """Read what ``str`` made.

        Raises:
            ValueError: it is something else.
        """
        if not re.fullmatch(PLACE_PATTERN, text):
            raise ValueError("Take it from the link to older trades.")
        day, _, number = text.partition("_")
        return cls(datetime.date.fromordinal(int(day)), int(number))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Page:
    """Some trades, newest first.

    Attributes:
        trades: at most as many as were asked for.
        older: pass it as ``before`` for the next page; None on the last.
    """

    trades: Sequence[Trade]
    older: Place | None


def add(owner: str, draft: Draft) -> Trade:
    """Store a trade."""
    with db.write() as session:
        versions.renew(session, owner)
        alike = _alike(owner, draft.symbol, draft.traded_on, draft.terms)
        last = session.scalars(select(func.coalesce(func.max(Trade.occurrence), 0)).where(alike))
        trade = Trade(**row_of(owner, draft, last.one() + 1))
        session.add(trade)
    return trade


def find(owner: str, trade_id: int) -> Trade | None:
    """Return the trade of this id; None where the owner has none such."""
    if trade_id > _LARGEST_ID:
        return None
    own = select(Trade).where(Trade.id == trade_id, Trade.owner == owner)
    return db.session.scalars(own).one_or_none()


def remove(owner: str, trade_id: int) -> bool:
    """Delete a trade; return whether there was one."""
    if trade_id > _LARGEST_ID:
        return False
    with db.write() as session:
        versions.renew(session, owner)
        own = (Trade.id == trade_id, Trade.owner == owner)
        trade = session.scalars(select(Trade).where(*own)).one_or_none()
        if trade is None:
            return False
        session.execute(delete(Trade).where(*own))
        # The last of its kind takes the number that is free now.
        alike = _alike(owner, trade.symbol, trade.traded_on, trade.terms)
        last = select(func.max(Trade.occurrence)).where(alike).scalar_subquery()
        session.execute(
            update(Trade)
            .where(alike, Trade.occurrence == last, Trade.occurrence > trade.occurrence)
            .values(occurrence=trade.occurrence)
            .execution_options(synchronize_session=False)
        )
    return True


def newest(owner: str, wanted: Filter, *, size: int, before: Place | None = None) -> Page:
    """Return trades by day, and those of one day by the order in which they were stored.

    Args:
        owner: whose.
        wanted: which of theirs.
        size: how many at most.
        before: only trades older than this place, which ended the page before.
    """
    query = select(Trade).where(*_conditions(owner, wanted))
    if before:
        query = query.where(tuple_(Trade.traded_on, Trade.id) < (before.traded_on, before.id))
    # One more than asked for says whether there is another page.
    query = query.order_by(Trade.traded_on.desc(), Trade.id.desc()).limit(size + 1)
    trades = db.session.scalars(query).all()
    last = trades[size - 1] if len(trades) > size else None
    return Page(trades=trades[:size], older=Place(last.traded_on, last.id) if last else None)


def chronological(owner: str) -> Iterator[Traded]:
    """Read all trades, oldest first, as positions are made of them."""
    query = select(*_TRADED).where(Trade.owner == owner).order_by(Trade.traded_on, Trade.id)
    for rows in db.session.execute(query.execution_options(yield_per=_BATCH)).partitions():
        yield from cast("Sequence[Traded]", rows)


def unhurried(owner: str, wanted: Filter) -> Iterator[Sequence[Traded]]:
    """Read trades oldest first, some at a time, for a reader who may be slow.

    Between two batches no connection is held, and trades may be stored and deleted.
    """
    at: tuple[datetime.date, int] | None = None
    while True:
        query = select(*_TRADED, Trade.id).where(*_conditions(owner, wanted))
        if at:
            query = query.where(tuple_(Trade.traded_on, Trade.id) > at)
        query = query.order_by(Trade.traded_on, Trade.id).limit(_BATCH)
        rows = db.session.execute(query).all()
        db.session.commit()  # gives the connection back
        if not rows:
            return
        yield [Traded(*row[:-1]) for row in rows]
        at = (rows[-1].traded_on, rows[-1].id)


_TRADED = (Trade.traded_on, Trade.symbol, Trade.side, Trade.quantity, Trade.price)


def _conditions(owner: str, wanted: Filter) -> Iterator[ColumnElement[bool]]:
    yield Trade.owner == owner
    if wanted.symbol:
        # What is no symbol nobody trades; a database may not even take it.
        yield Trade.symbol == wanted.symbol if fields.is_symbol(wanted.symbol) else false()
    if wanted.side:
        yield Trade.side == wanted.side
    if wanted.since:
        yield Trade.traded_on >= wanted.since
    if wanted.until:
        yield Trade.traded_on <= wanted.until


def _alike(owner: str, symbol: str, traded_on: datetime.date, terms: str) -> ColumnElement[bool]:
    return and_(
        Trade.owner == owner,
        Trade.symbol == symbol,
        Trade.traded_on == traded_on,
        Trade.terms == terms,
    )
