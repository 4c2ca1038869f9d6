"""INSERT with ON CONFLICT, which SQLite and PostgreSQL write alike and SQLAlchemy does not."""

from __future__ import annotations

from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from apps.trades.database import Base


def is_postgresql(session: Session) -> bool:
    """Say whether the database is a server, and no file."""
    return session.get_bind().dialect.name == "postgresql"


def insert_into(session: Session, model: type[Base]) -> Any:
    """Return an INSERT that has ``on_conflict_do_nothing()`` and ``on_conflict_do_update()``."""
    return (postgresql if is_postgresql(session) else sqlite).insert(model)
