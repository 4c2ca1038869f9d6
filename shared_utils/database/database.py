"""``Database``: what an app reads and writes with."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from flask import Flask, current_app, g
from sqlalchemy import Engine, MetaData, select
from sqlalchemy.orm import Session

from shared_utils.database.address import Address, address_of
from shared_utils.database.engines import LazyEngine, make_engine, writing

EXTENSION = "rowhouse-database"

_READING = "rowhouse_reading"
_WRITING = "rowhouse_writing"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Binding:
    """The database of one Flask app.

    Attributes:
        name: last part of the app's import name; its file and its version table have it too.
        metadata: the tables that its models want.
        address: where it is.
        versions: folder of its migrations.
        lazy: its engine.
    """

    name: str
    metadata: MetaData
    address: Address
    versions: Path
    lazy: LazyEngine


class Database:
    """The one database of an app. Made when the app is imported, it connects at first use.

    Args:
        metadata: the tables of the app's models: ``Base.metadata``.
    """

    def __init__(self, metadata: MetaData) -> None:
        self.metadata = metadata

    def init_app(self, app: Flask) -> None:
        """Give ``app`` its database, as its config says. Connects to nothing.

        Raises:
            DatabaseConfigError: ``DATABASE_URL`` or ``DATABASE_POOL_SIZE`` cannot be used.
        """
        name = app.import_name.rpartition(".")[2]
        address = address_of(app, name)
        app.extensions[EXTENSION] = Binding(
            name=name,
            metadata=self.metadata,
            address=address,
            versions=Path(app.root_path, "migrations", "versions"),
            lazy=LazyEngine(partial(make_engine, name, address)),
        )
        app.teardown_appcontext(_close)

    @property
    def engine(self) -> Engine:
        """The engine of the current app in this process."""
        return self._binding().lazy.get()

    @property
    def session(self) -> Session:
        """The session that the current app context reads with; closed with it.

        Everything it reads until the next write is as of one moment on SQLite, and committed on
        PostgreSQL. It refuses to write.
        """
        if _READING not in g:
            # What was read is shown as it was, and not read again one by one.
            setattr(g, _READING, _ReadSession(self.engine, autoflush=False, expire_on_commit=False))
        held: Session = getattr(g, _READING)
        return held

    @contextlib.contextmanager
    def write(self) -> Iterator[Session]:
        """Give a session for one transaction that writes; committed at the end.

        An error in the block rolls it back. On SQLite it holds the write lock from its beginning,
        so what it reads stays so; on PostgreSQL lock the rows that you read in order to change
        them: ``select(...).with_for_update()``, which is right on both. Objects stay usable after
        the block.

        Raises:
            RuntimeError: one is open already in this app context; on SQLite they would wait for
                one another.
        """
        if _WRITING in g:
            raise RuntimeError("db.write() is open already here; pass its session on")
        reading: Session | None = g.get(_READING)
        if reading is not None:
            reading.commit()  # gives its connection back: with two each, requests may run dry
        setattr(g, _WRITING, True)
        try:
            with Session(writing(self.engine), expire_on_commit=False) as session, session.begin():
                yield session
        finally:
            g.pop(_WRITING, None)
            if reading is not None:
                reading.expire_all()

    def ping(self) -> None:
        """See that the database answers; for a health check, with no session of the app.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: it does not.
        """
        with self.engine.connect() as connection:
            connection.execute(select(1))

    def _binding(self) -> Binding:
        binding = binding_of(current_app)
        if binding.metadata is not self.metadata:
            raise LookupError(f"the app {current_app.name!r} has another database than this one")
        return binding


class _ReadSession(Session):
    def flush(self, objects: Any = None) -> None:
        if not (self.new or self.dirty or self.deleted):
            return
        raise RuntimeError("db.session only reads; write with: with db.write() as session: ...")


def binding_of(app: Flask) -> Binding:
    """Return the database of ``app``.

    Raises:
        LookupError: it has none.
    """
    binding = app.extensions.get(EXTENSION)
    if not isinstance(binding, Binding):
        raise LookupError(
            f"the app {app.name!r} has no database; call db.init_app(app) in its create_app()"
        )
    return binding


def _close(error: BaseException | None = None) -> None:
    reading: Session | None = g.pop(_READING, None)
    if reading is not None:
        reading.close()
