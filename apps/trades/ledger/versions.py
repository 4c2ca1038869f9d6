"""The version of a ledger, which every change renews: what was made of all its trades stands until
then.

A version is a number made at random: a count would come to the same number again after an older
copy of the database was put back.
"""

from __future__ import annotations

import secrets

from sqlalchemy import select
from sqlalchemy.orm import Session

from apps.trades.database import db
from apps.trades.ledger.models import LedgerVersion
from apps.trades.ledger.upserts import insert_into


def renew(session: Session, owner: str) -> None:
    """Give the ledger of ``owner`` another version, first thing in a transaction that changes it.

    Whoever else changes the same ledger waits here until that transaction is over. On PostgreSQL
    two of them could wait for each other's trades otherwise, and neither would see the other's.
    """
    made = {"version": secrets.token_hex(8)}
    statement = insert_into(session, LedgerVersion).values(owner=owner, **made)
    session.execute(
        statement.on_conflict_do_update(index_elements=[LedgerVersion.owner], set_=made),
        execution_options={"synchronize_session": False},
    )


def current(owner: str) -> str:
    """Return the version that a ledger has now; empty where it has none yet.

    What is read after it is of this version or of a later one.
    """
    asked = select(LedgerVersion.version).where(LedgerVersion.owner == owner)
    return db.session.scalars(asked).one_or_none() or ""
