"""Migrations: each app's own revisions, in its own version table, run by Alembic.

Everything of one upgrade is one transaction: it is done, or nothing is. Several processes may
upgrade at once: one does it, the others wait and find it done.
"""

from __future__ import annotations

import dataclasses
import hashlib
import threading
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from alembic import command
from alembic.autogenerate.api import AutogenContext
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from flask import Flask
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from shared_utils.database import types
from shared_utils.database.database import Binding, binding_of
from shared_utils.database.engines import make_migration_engine

TEMPLATES = Path(__file__).parent / "templates"

_at_work = threading.Lock()
"""Alembic keeps what a migration works on in module globals."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Revisions:
    """Where a database stands.

    Attributes:
        name: the app.
        before: its revision before the command; None: nothing was made yet.
        now: its revision now.
        newest: the app's newest revision; None: the app has no migrations.
    """

    name: str
    before: str | None
    now: str | None
    newest: str | None


def current(app: Flask) -> Revisions:
    """Return where the database of ``app`` stands, and make nothing.

    Raises:
        LookupError: the app has no database.
        alembic.util.CommandError: its migrations are not one line of revisions.
        sqlalchemy.exc.SQLAlchemyError: the database cannot be reached.
    """
    binding = binding_of(app)
    newest = _newest(binding)
    file = binding.address.url.database
    if binding.address.is_sqlite and not Path(file or "").exists():
        return Revisions(name=binding.name, before=None, now=None, newest=newest)
    with _transaction(binding) as connection:
        now = _revision(binding, connection)
    return Revisions(name=binding.name, before=now, now=now, newest=newest)


def upgrade(app: Flask) -> Revisions:
    """Bring the database of ``app`` to the newest revision; see :func:`shared_utils.database`."""
    binding = binding_of(app)
    newest = _newest(binding)
    with _transaction(binding, lock=True) as connection:
        before = _revision(binding, connection)
        if before != newest:
            command.upgrade(_config(binding, connection), "head")
            _check_foreign_keys(connection)
    return Revisions(name=binding.name, before=before, now=newest, newest=newest)


def revision(app: Flask, message: str, *, empty: bool = False) -> Path | None:
    """Write a migration that brings the database to what the app's models want.

    Args:
        message: what it does, in a few words; its file is called after it.
        empty: write one that does nothing, to be filled in, whatever the models want.

    Returns:
        The file; None where the models want no change.

    Raises:
        LookupError: the app has no database.
        alembic.util.CommandError: the database is not at the newest revision.
        sqlalchemy.exc.SQLAlchemyError: the database cannot be reached.
    """
    binding = binding_of(app)

    def keep_changes(context: Any, revision: Any, directives: list[Any]) -> None:
        if not empty and directives[0].upgrade_ops.is_empty():
            directives.clear()

    with _transaction(binding) as connection:
        written = command.revision(
            _config(binding, connection),
            message,
            autogenerate=not empty,
            process_revision_directives=keep_changes,
        )
    return Path(written.path) if isinstance(written, Script) else None


@contextmanager
def _transaction(binding: Binding, *, lock: bool = False) -> Iterator[Connection]:
    """Begin a transaction; SQLite's is the only one that writes from its beginning."""
    engine = make_migration_engine(binding.address)
    with _at_work, engine.begin() as connection:
        if lock and not binding.address.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _key(binding)})
        yield connection


def _key(binding: Binding) -> int:
    """Return the number of the app's lock: anything else in that database has another."""
    digest = hashlib.sha256(f"rowhouse migrations {binding.name}".encode()).digest()
    return int.from_bytes(digest[:8], signed=True)


def _config(binding: Binding, connection: Connection | None = None) -> Config:
    tables = set(binding.metadata.tables)

    def is_ours(name: str | None, kind: str, parents: object) -> bool:
        """Leave alone what belongs to a neighbour: several apps may share one database."""
        return kind != "table" or name in tables

    config = Config(cmd_opts=Namespace(quiet=True))  # commands say themselves what was done
    for option, value in {
        "script_location": str(TEMPLATES),
        "version_locations": str(binding.versions),
        "path_separator": "newline",  # no folder's name has one
        "file_template": "r%(year)d_%(month).2d_%(day).2d_%(slug)s",
        "timezone": "UTC",
    }.items():
        config.set_main_option(option, value.replace("%", "%%"))
    config.attributes["options"] = {
        "connection": connection,
        "target_metadata": binding.metadata,
        "version_table": f"alembic_version_{binding.name}",
        "include_name": is_ours,
        "render_item": _render,
        "render_as_batch": True,  # SQLite can hardly change a table otherwise
    }
    return config


def _render(kind: str, item: Any, context: AutogenContext) -> str | Literal[False]:
    """Write our own types as an app's models have them."""
    if kind == "type" and type(item).__module__ == types.__name__:
        name = type(item).__name__
        context.imports.add(f"from shared_utils.database import {name}")
        return f"{name}()"
    return False


def _newest(binding: Binding) -> str | None:
    return ScriptDirectory.from_config(_config(binding)).get_current_head()


def _revision(binding: Binding, connection: Connection) -> str | None:
    options = {"version_table": f"alembic_version_{binding.name}"}
    return MigrationContext.configure(connection, opts=options).get_current_revision()


def _check_foreign_keys(connection: Connection) -> None:
    if connection.dialect.name != "sqlite":
        return
    orphan = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
    if orphan is not None:
        raise IntegrityError(
            "PRAGMA foreign_key_check",
            None,
            ValueError(f"after the migrations, {orphan[0]} refers to no row of {orphan[2]}"),
        )
