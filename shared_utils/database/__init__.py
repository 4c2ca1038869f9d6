"""An app's own database: SQLite in a file, or PostgreSQL by URL.

    # apps/trades/database.py
    class Base(DeclarativeBase):
        metadata = MetaData(naming_convention=NAMING_CONVENTION)

    db = Database(Base.metadata)

    # in create_app(), after configure_app(app)
    db.init_app(app)

    # in a view, or anywhere inside the app's context
    found = db.session.get(Trade, 7)                 # reads
    with db.write() as session:                      # one transaction: committed, or rolled back
        session.add(Trade(...))

``DATABASE_URL`` of the app's config says where it is. Its tables are made and changed by the
migrations in ``apps/NAME/migrations/versions``: ``rowhouse db upgrade``, or :func:`upgrade`. More
is told in ``docs/database.md``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask

from shared_utils.database.address import DatabaseConfigError
from shared_utils.database.database import Database
from shared_utils.database.naming import NAMING_CONVENTION
from shared_utils.database.types import ExactDecimal, UtcDateTime

if TYPE_CHECKING:
    from shared_utils.database.migrations import Revisions

__all__ = [
    "NAMING_CONVENTION",
    "Database",
    "DatabaseConfigError",
    "ExactDecimal",
    "UtcDateTime",
    "upgrade",
]


def upgrade(app: Flask) -> Revisions:
    """Bring the database of ``app`` to the newest revision; several processes may do so at once.

    Returns:
        The revision that it was at, and the one that it is at now.

    Raises:
        LookupError: the app has no database.
        MigrationError: its migrations are not one line of revisions.
        sqlalchemy.exc.SQLAlchemyError: the database cannot be reached, or refuses a statement.
    """
    from shared_utils.database import migrations  # only here: serving has no use for Alembic

    return migrations.upgrade(app)
