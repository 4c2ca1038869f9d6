"""Storing many trades at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Select,
    String,
    cast,
    column,
    func,
    literal,
    select,
    tuple_,
)
from sqlalchemy.orm import Session

from apps.trades.ledger import versions
from apps.trades.ledger.models import Trade
from apps.trades.ledger.upserts import insert_into, is_postgresql

_LISTED: Sequence[ColumnElement[Any]] = [
    each for each in Trade.__table__.columns if each.name not in ("id", "owner")
]


_KIND = (Trade.symbol, Trade.traded_on, Trade.terms)
_ASKED_AT_ONCE = 1000

Kind = tuple[Any, ...]
"""What equal trades of one owner have in common: symbol, day and terms."""


def add_new(session: Session, owner: str, rows: Sequence[Mapping[str, Any]]) -> int:
    """Store those of ``rows`` that are not there yet; return how many those were.

    A row of occurrence 3 is there if three of its kind are. Else it is stored as the next one of
    its kind, also where fewer than two are there, because somebody has deleted some since the
    rows before it were stored: those stay deleted.

    Args:
        session: in a transaction that writes.
        owner: whose they are.
        rows: as :func:`~apps.trades.ledger.models.row_of` makes them; those of one kind with
            occurrences that follow one another.
    """
    if not rows:
        return 0
    versions.renew(session, owner)
    insert = insert_into(session, Trade).on_conflict_do_nothing()
    rows = _without_gaps(session, owner, rows)
    sent: list[Mapping[str, Any]] | None = list(rows)
    if is_postgresql(session):
        names = ["owner", *(each.name for each in _LISTED)]
        insert, sent = insert.from_select(names, _listed(owner, rows)), None
    stored = session.connection().execute(
        insert, sent, execution_options={"preserve_rowcount": True}
    )
    return stored.rowcount


def _without_gaps(
    session: Session, owner: str, rows: Sequence[Mapping[str, Any]]
) -> Sequence[Mapping[str, Any]]:
    """Return ``rows`` with lower occurrences where some are missing before them."""
    before: dict[Kind, int] = {}
    for row in rows:
        before.setdefault(_kind_of(row), row["occurrence"] - 1)
    there = set(
        _those_there(session, owner, [(*kind, last) for kind, last in before.items() if last])
    )
    missing = {
        kind: last - _last_of(session, owner, kind)
        for kind, last in before.items()
        if last and (*kind, last) not in there
    }
    if not missing:
        return rows
    return [
        {**row, "occurrence": row["occurrence"] - missing.get(_kind_of(row), 0)} for row in rows
    ]


def _those_there(session: Session, owner: str, asked: Sequence[Kind]) -> Iterator[Kind]:
    """Ask for trades by kind and occurrence."""
    columns = (*_KIND, Trade.occurrence)
    for start in range(0, len(asked), _ASKED_AT_ONCE):
        some = tuple_(*columns).in_(asked[start : start + _ASKED_AT_ONCE])
        for row in session.execute(select(*columns).where(Trade.owner == owner, some)):
            yield tuple(row)


def _last_of(session: Session, owner: str, kind: Kind) -> int:
    alike = (each == value for each, value in zip(_KIND, kind, strict=True))
    last = select(func.coalesce(func.max(Trade.occurrence), 0))
    return session.scalars(last.where(Trade.owner == owner, *alike)).one()


def _kind_of(row: Mapping[str, Any]) -> Kind:
    return row["symbol"], row["traded_on"], row["terms"]


def _listed(owner: str, rows: Sequence[Mapping[str, Any]]) -> Select[Any]:
    """Return a SELECT of rows that are sent as one list for each column.

    PostgreSQL takes one statement with a few long parameters twice as fast as many short ones.
    """
    lists = [
        cast(literal([str(row[each.name]) for row in rows], ARRAY(String)), ARRAY(each.type))
        for each in _LISTED
    ]
    given = func.unnest(*lists).table_valued(
        *(column(each.name, each.type) for each in _LISTED), with_ordinality="place"
    )
    given = given.render_derived(name="given")
    # In their order: those of one day are told apart by their ids.
    return select(literal(owner), *(given.c[each.name] for each in _LISTED)).order_by(given.c.place)
