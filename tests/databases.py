"""Databases of one test each, on SQLite and on PostgreSQL."""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import URL, NullPool, create_engine, make_url
from sqlalchemy.exc import OperationalError

from shared_utils.database import Database, upgrade
from tests.requirements import needed

KINDS = ("sqlite", "postgresql")

# For what takes seconds on each: the fast suite takes the one that every user has.
on_each = pytest.mark.parametrize(
    "database_url", ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)], indirect=True
)

_SERVER = make_url(
    os.environ.get("TEST_POSTGRESQL_URL", "postgresql+psycopg://postgres@127.0.0.1:5432/postgres")
)
_numbers = itertools.count(1)
_made: dict[str, bytes] = {}
"""By app: a database that its migrations have made."""


@contextlib.contextmanager
def fresh(kind: str, folder: Path) -> Iterator[str]:
    """Give the URL of an empty database, which is gone afterwards.

    Args:
        kind: one of ``KINDS``.
        folder: where a file may lie; it is not made.
    """
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'test.sqlite3'}"
        return
    server = needed(_server(), "a PostgreSQL server (TEST_POSTGRESQL_URL)")
    # A schema of its own looks like a database of its own, and is made ten times as fast.
    name = f"rowhouse_test_{os.getpid()}_{next(_numbers)}"
    _run(server, f"CREATE SCHEMA {name}")
    try:
        url = server.update_query_dict({"options": f"-csearch_path={name}"})
        yield url.render_as_string(hide_password=False)
    finally:
        _run(server, "SET lock_timeout = '30s'", f"DROP SCHEMA {name} CASCADE")


def migrate(app: Flask, db: Database) -> None:
    """Make the tables of an app, by its migrations.

    A file on SQLite is a copy of one that they have made: that waits for no disk.
    """
    url = make_url(app.config["DATABASE_URL"])
    if url.get_backend_name() != "sqlite":
        upgrade(app)
        return
    file = Path(str(url.database))
    if app.import_name not in _made:
        upgrade(app)
        with app.app_context():
            db.engine.dispose()  # what stands beside the file is written into it
        _made[app.import_name] = file.read_bytes()
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(_made[app.import_name])


@functools.cache
def _server() -> URL | None:
    try:
        _run(_SERVER, "SELECT 1")
    except OperationalError:
        return None
    return _SERVER


def _run(server: URL, *statements: str) -> None:
    engine = create_engine(server, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
