"""Engines: made at first use, set up for several threads and processes, never taken over a fork."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, NullPool, Pool, create_engine, event

from shared_utils.database import pools
from shared_utils.database.address import Address
from shared_utils.forks import call_in_child

BUSY_TIMEOUT = 10.0
"""Seconds that SQLite waits for another writer."""

MIGRATION_TIMEOUT = 600.0
"""Seconds that SQLite waits for another process that migrates."""

_WRITES = "rowhouse_writes"

_inherited: list[Pool] = []
"""Pools of the processes that this one was forked from. They are kept because SQLite does not
allow a connection even to be closed in another process (sqlite.org/howtocorrupt.html, 2.6).
"""


class LazyEngine:
    """An engine that is made at first use, and whose connections stay in the process.

    Args:
        make: makes it; connects to nothing.
    """

    def __init__(self, make: Callable[[], Engine]) -> None:
        self._make = make
        self._engine: Engine | None = None
        self._lock = threading.Lock()
        call_in_child(self._reset_in_child)

    def get(self) -> Engine:
        """Return the engine."""
        with self._lock:
            if self._engine is None:
                self._engine = self._make()
                # With the app, and at the end of the process.
                weakref.finalize(self, self._engine.dispose)
            return self._engine

    def _reset_in_child(self) -> None:
        self._lock = threading.Lock()
        if self._engine is not None:
            _inherited.append(self._engine.pool)
            self._engine.dispose(close=False)


def make_engine(name: str, address: Address) -> Engine:
    """Return the engine that the app ``name`` serves with."""
    engine = create_engine(
        address.url,
        connect_args=_connect_args(address, BUSY_TIMEOUT),
        hide_parameters=True,  # what users have entered does not belong into logs
        **pools.options(address),
    )
    if address.is_sqlite:
        _set_up_sqlite(engine, address)
    else:
        # Not at the start: nothing connects before the first request that needs it.
        event.listen(engine, "connect", lambda made, _: pools.check(made, name, address), once=True)
    _hint(engine, name)
    return engine


def make_migration_engine(address: Address) -> Engine:
    """Return an engine for one migration: transactions write, and foreign keys wait for the end.

    SQLite changes most of a table by making another, and dropping the first would delete what
    refers to it.
    """
    engine = create_engine(
        address.url,
        poolclass=NullPool,
        connect_args=_connect_args(address, MIGRATION_TIMEOUT),
        hide_parameters=True,
        execution_options={_WRITES: True},
    )
    if address.is_sqlite:
        _set_up_sqlite(engine, address, foreign_keys=False)
    return engine


def writing(engine: Engine) -> Engine:
    """Return ``engine`` with transactions that take SQLite's write lock when they begin."""
    return engine.execution_options(**{_WRITES: True})


def _connect_args(address: Address, timeout: float) -> dict[str, Any]:
    if address.is_sqlite:
        return {"timeout": timeout}
    return {} if "connect_timeout" in address.url.query else {"connect_timeout": 10}


def _set_up_sqlite(engine: Engine, address: Address, *, foreign_keys: bool = True) -> None:
    folder = Path(address.url.database or "").parent

    @event.listens_for(engine, "do_connect")
    def make_folder(*_: Any) -> None:
        folder.mkdir(parents=True, exist_ok=True)

    @event.listens_for(engine, "connect")
    def set_up(connection: sqlite3.Connection, _: Any) -> None:
        # The module would begin transactions late, so that what was read before is not protected.
        connection.isolation_level = None
        # The file remembers the mode. While two processes switch it at once, one of them may be
        # refused without waiting; the other has done it then.
        with contextlib.suppress(sqlite3.OperationalError):
            connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA foreign_keys = {'ON' if foreign_keys else 'OFF'}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get(_WRITES)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _hint(engine: Engine, name: str) -> None:
    """Have an error about a table that is not there say what makes it."""

    @event.listens_for(engine, "handle_error")
    def add_hint(context: Any) -> None:
        error = context.original_exception
        missing = getattr(error, "sqlstate", "") in ("42P01", "42703")  # undefined table, column
        if missing or str(error).startswith(("no such table", "no such column")):
            raised = context.sqlalchemy_exception or error
            raised.add_note(f"Is the database up to date? Run: rowhouse db upgrade {name}")
