"""Databases of one test each, on SQLite and on PostgreSQL."""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import URL, NullPool, create_engine, make_url
from sqlalchemy.exc import OperationalError

from tests.requirements import needed

KINDS = ("sqlite", "postgresql")

_SERVER = make_url(
    os.environ.get("TEST_POSTGRESQL_URL", "postgresql+psycopg://postgres@127.0.0.1:5432/postgres")
)
_numbers = itertools.count(1)


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
    name = f"rowhouse_test_{os.getpid()}_{next(_numbers)}"
    _run(server, f'CREATE DATABASE "{name}"')
    try:
        yield server.set(database=name).render_as_string(hide_password=False)
    finally:
        _run(server, f'DROP DATABASE "{name}" WITH (FORCE)')


@functools.cache
def _server() -> URL | None:
    try:
        _run(_SERVER, "SELECT 1")
    except OperationalError:
        return None
    return _SERVER


def _run(server: URL, statement: str) -> None:
    engine = create_engine(server, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(statement)
