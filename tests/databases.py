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
    # A schema of its own looks like a database of its own, and is made ten times as fast.
    name = f"rowhouse_test_{os.getpid()}_{next(_numbers)}"
    _run(server, f"CREATE SCHEMA {name}")
    try:
        url = server.update_query_dict({"options": f"-csearch_path={name}"})
        yield url.render_as_string(hide_password=False)
    finally:
        _run(server, "SET lock_timeout = '30s'", f"DROP SCHEMA {name} CASCADE")


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
