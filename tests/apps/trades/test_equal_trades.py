"""Equal trades that are imported, recorded and deleted at the same time: no number is left out.

Each row of a file is there, or is stored, at the moment when its batch is. So what comes of an
import during which somebody deletes a trade is what would have come of it had they done so just
before it, or just after it; and importing the file again brings back what was deleted, no more.
"""

from __future__ import annotations

import datetime
from collections import Counter
from decimal import Decimal

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select

from apps.trades.database import db
from apps.trades.ledger import store
from apps.trades.ledger.bulk import add_new
from apps.trades.ledger.enums import Side
from apps.trades.ledger.models import Draft, Trade, row_of

OWNER, NEIGHBOUR = "1", "2"

Kinds = list[str]
KINDS = st.lists(st.sampled_from("AB"), max_size=6)
STEPS = st.lists(
    st.tuples(st.sampled_from(["delete", "record"]), st.sampled_from("AB")), max_size=3
)


def draft(kind: str) -> Draft:
    return Draft(
        symbol=kind,
        side=Side.BUY,
        quantity=Decimal(10),
        price=Decimal("12.5"),
        traded_on=datetime.date(2024, 5, 6),
    )


def there(owner: str = OWNER) -> Counter[str]:
    """Return how many there are of each kind, whose numbers have no gap."""
    found: dict[str, list[int]] = {}
    query = select(Trade.symbol, Trade.occurrence).where(Trade.owner == owner)
    with db.write() as session:
        for kind, occurrence in session.execute(query.order_by(Trade.occurrence)):
            found.setdefault(kind, []).append(occurrence)
    for numbers in found.values():
        assert numbers == list(range(1, len(numbers) + 1))
    return Counter({kind: len(numbers) for kind, numbers in found.items()})


def delete_one(kind: str) -> None:
    one = select(Trade.id).where(Trade.owner == OWNER, Trade.symbol == kind).limit(1)
    with db.write() as session:
        trade_id = session.scalars(one).one_or_none()
    if trade_id is not None:
        assert store.remove(OWNER, trade_id)


class Import:
    """An import of a file of equal rows, a batch at a time."""

    def __init__(self) -> None:
        self.seen = Counter[str]()

    def batch(self, kinds: Kinds) -> int:
        rows = []
        for kind in kinds:
            self.seen[kind] += 1
            rows.append(row_of(OWNER, draft(kind), self.seen[kind]))
        with db.write() as session:
            return add_new(session, OWNER, rows)


@pytest.fixture
def ledger(trades_app: Flask) -> Flask:
    with trades_app.app_context():
        store.add(NEIGHBOUR, draft("A"))
    return trades_app


@given(
    recorded=KINDS,
    parts=st.lists(st.tuples(KINDS, STEPS), min_size=1, max_size=4),
)
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whatever_is_deleted_and_recorded_during_an_import(
    ledger: Flask, recorded: Kinds, parts: list[tuple[Kinds, list[tuple[str, str]]]]
) -> None:
    with ledger.app_context():
        with db.write() as session:
            session.execute(delete(Trade).where(Trade.owner == OWNER))
        for kind in recorded:
            store.add(OWNER, draft(kind))
        model, rows = Counter(recorded), Counter[str]()
        running = Import()
        for kinds, steps in parts:
            added = 0
            for kind in kinds:
                rows[kind] += 1
                if model[kind] < rows[kind]:
                    model[kind] += 1
                    added += 1
            assert running.batch(kinds) == added
            assert there() == +model
            for what, kind in steps:
                if what == "record":
                    store.add(OWNER, draft(kind))
                    model[kind] += 1
                else:
                    delete_one(kind)
                    model[kind] = max(0, model[kind] - 1)
                assert there() == +model

        every = [kind for kinds, _ in parts for kind in kinds]
        assert Import().batch(every) == (rows - model).total()
        assert there() == model | rows
        assert Import().batch(every) == 0
        assert there(NEIGHBOUR) == {"A": 1}


@pytest.mark.parametrize("when", [1, 2, 3])
def test_one_of_three_that_is_deleted_meanwhile_stays_deleted(ledger: Flask, when: int) -> None:
    with ledger.app_context():
        running = Import()
        for number in (1, 2, 3):
            assert running.batch(["A"]) == 1
            if number == when:
                delete_one("A")
        assert there() == {"A": 2}
        assert Import().batch(["A", "A"]) == 0
        assert Import().batch(["A", "A", "A"]) == 1
