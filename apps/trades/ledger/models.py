"""Trades in SQLite: the only module that knows how they are stored."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import sqlite3
from decimal import Decimal
from pathlib import Path

from flask import current_app, g

from apps.trades.ledger.constants import BUSY_TIMEOUT
from apps.trades.ledger.enums import Side

# Quantity and price are TEXT: SQLite has no exact decimals, and REAL would round them.
_SCHEMA = (
    """
    CREATE TABLE IF NOT EXISTS trade (
        id INTEGER PRIMARY KEY,
        symbol TEXT NOT NULL,
        side TEXT NOT NULL,
        quantity TEXT NOT NULL,
        price TEXT NOT NULL,
        traded_on TEXT NOT NULL
    )
    """,
    "CREATE INDEX IF NOT EXISTS trade_newest ON trade (traded_on, id)",
    "CREATE INDEX IF NOT EXISTS trade_symbol_newest ON trade (symbol, traded_on, id)",
)

_LARGEST_ID = 2**63 - 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Draft:
    """A trade that is not stored yet."""

    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    traded_on: datetime.date


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trade(Draft):
    """A stored trade."""

    id: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Page:
    """Some trades, newest first.

    Attributes:
        trades: at most as many as were asked for.
        older: id to pass as ``before`` for the next page; None on the last.
    """

    trades: list[Trade]
    older: int | None


def add(draft: Draft) -> Trade:
    """Store a trade."""
    values = (
        draft.symbol,
        draft.side.value,
        f"{draft.quantity:f}",
        f"{draft.price:f}",
        draft.traded_on.isoformat(),
    )
    row = _connection().execute(
        "INSERT INTO trade (symbol, side, quantity, price, traded_on) VALUES (?, ?, ?, ?, ?)"
        " RETURNING *",
        values,
    )
    return _trade(row.fetchall()[0])


def find(trade_id: int) -> Trade | None:
    """Return the trade of this id; None where there is none."""
    if trade_id > _LARGEST_ID:
        return None
    rows = _connection().execute("SELECT * FROM trade WHERE id = ?", (trade_id,)).fetchall()
    return _trade(rows[0]) if rows else None


def newest(
    *, size: int, symbol: str = "", side: Side | None = None, before: Trade | None = None
) -> Page:
    """Return trades by date, and those of one day by the order in which they were stored.

    Args:
        size: how many at most.
        symbol: only trades of this symbol.
        side: only trades of this side.
        before: only trades that come after this one, which ended the page before.
    """
    conditions, values = ["TRUE"], list[str | int]()
    if symbol:
        conditions.append("symbol = ?")
        values.append(symbol)
    if side:
        conditions.append("side = ?")
        values.append(side.value)
    if before:
        conditions.append("(traded_on, id) < (?, ?)")
        values += [before.traded_on.isoformat(), before.id]
    rows = _connection().execute(
        f"SELECT * FROM trade WHERE {' AND '.join(conditions)}"
        " ORDER BY traded_on DESC, id DESC LIMIT ?",
        (*values, size + 1),  # one more than asked for says whether there is another page
    )
    trades = [_trade(row) for row in rows]
    return Page(trades=trades[:size], older=trades[size - 1].id if len(trades) > size else None)


def close(error: BaseException | None = None) -> None:
    """Close the request's connection, if it has one; for ``teardown_appcontext``."""
    connection: sqlite3.Connection | None = g.pop("ledger_connection", None)
    if connection is not None:
        connection.close()


def _connection() -> sqlite3.Connection:
    """Return the request's connection, opened on first use."""
    if "ledger_connection" not in g:
        path = Path(current_app.config["DATABASE"])
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT, isolation_level=None)
        g.ledger_connection = connection
        connection.row_factory = sqlite3.Row
        # The file remembers the mode. While two processes switch it at once, one of them may be
        # refused without waiting; the other has done it then.
        with contextlib.suppress(sqlite3.OperationalError):
            connection.execute("PRAGMA journal_mode = WAL")
        for statement in _SCHEMA:
            connection.execute(statement)
    opened: sqlite3.Connection = g.ledger_connection
    return opened


def _trade(row: sqlite3.Row) -> Trade:
    return Trade(
        id=row["id"],
        symbol=row["symbol"],
        side=Side(row["side"]),
        quantity=Decimal(row["quantity"]),
        price=Decimal(row["price"]),
        traded_on=datetime.date.fromisoformat(row["traded_on"]),
    )
