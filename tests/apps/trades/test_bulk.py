"""Storing many trades at once: those that are not there yet, in their order."""

from __future__ import annotations

import datetime
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

from flask import Flask
from sqlalchemy import select

from apps.trades.database import db
from apps.trades.ledger import store
from apps.trades.ledger.bulk import add_new
from apps.trades.ledger.enums import Side
from apps.trades.ledger.models import Draft, Trade, row_of

OWNER = """o'Hara, "{ann}" \\ NULL %s :x"""


def row(number: int, *, symbol: str = "ACME", occurrence: int = 1) -> dict[str, Any]:
    draft = Draft(
        symbol=symbol,
        side=Side.SELL if number % 2 else Side.BUY,
        quantity=Decimal(number + 1),
        price=Decimal("999999999999.99999999"),
        traded_on=datetime.date(2024, 5, 6),
    )
    return row_of(OWNER, draft, occurrence)


def stored(app: Flask, rows: Iterable[dict[str, Any]]) -> int:
    with app.app_context(), db.write() as session:
        return add_new(session, OWNER, list(rows))


def test_rows_keep_their_order_and_every_value(trades_app: Flask) -> None:
    rows = [row(number, symbol="NULL" if number % 3 else "A.B-C") for number in range(1200)]

    assert stored(trades_app, rows) == 1200

    with trades_app.app_context():
        kept = db.session.scalars(select(Trade).order_by(Trade.id)).all()
        assert [{name: getattr(each, name) for name in rows[0]} for each in kept] == rows


def test_what_is_there_is_left_alone(trades_app: Flask) -> None:
    assert stored(trades_app, [row(1), row(2)]) == 2
    assert stored(trades_app, [row(2), row(3), row(3), row(3, occurrence=2)]) == 2
    assert stored(trades_app, [row(1)]) == 0
    assert stored(trades_app, []) == 0


def test_a_trade_recorded_by_hand_counts(trades_app: Flask) -> None:
    with trades_app.app_context():
        named = ("symbol", "side", "quantity", "price", "traded_on")
        store.add(OWNER, Draft(**{name: row(1)[name] for name in named}))

    assert stored(trades_app, [row(1), row(1, occurrence=2)]) == 1


def test_two_who_store_the_same_do_not_wait_for_each_other(trades_app: Flask) -> None:
    """In opposite order: each would hold what the other needs next."""
    rows = [row(number) for number in range(300)]
    both_ready = threading.Barrier(2, timeout=30)

    def store_all(order: list[dict[str, Any]]) -> int:
        both_ready.wait()
        with trades_app.app_context(), db.write() as session:
            return sum(
                add_new(session, OWNER, order[start : start + 10]) for start in range(0, 300, 10)
            )

    with ThreadPoolExecutor(2) as threads:
        assert sum(threads.map(store_all, [rows, rows[::-1]])) == 300
