"""Where an app's database is: its ``DATABASE_URL``, checked before anything connects."""

from __future__ import annotations

import dataclasses
import importlib.util
from pathlib import Path

from flask import Flask
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from shared_utils.sibling import EXTENSION, Sibling

URL_KEY = "DATABASE_URL"
POOL_KEY = "DATABASE_POOL_SIZE"

_WRITE = "write sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME"
_DRIVERS = {"sqlite": ("pysqlite", "sqlite3"), "postgresql": ("psycopg", "psycopg")}
"""For each kind of database, the driver that we use, and its module."""


class DatabaseConfigError(ValueError):
    """An app's config names no database that could be used. Never quotes the URL: it may hold a
    password, also where it is too garbled to tell which part that is.
    """


@dataclasses.dataclass(frozen=True, kw_only=True)
class Address:
    """Where an app's database is.

    Attributes:
        url: where it is; a file's path is absolute.
        said_in: the layer of config that said so, with the key, for messages.
        pool_size: connections that a process may hold; None: as many as suit.
    """

    url: URL
    said_in: str
    pool_size: int | None = None

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a file."""
        return self.url.get_backend_name() == "sqlite"

    @property
    def shown(self) -> str:
        """Where it is, without user, password and options."""
        if self.is_sqlite:
            return f"sqlite:///{self.url.database}"
        url = URL.create(
            "postgresql", host=self.url.host, port=self.url.port, database=self.url.database
        )
        return url.render_as_string()


def address_of(app: Flask, default_name: str) -> Address:
    """Return where the database of ``app`` is, without connecting to it.

    Args:
        app: its config may have ``DATABASE_URL`` and ``DATABASE_POOL_SIZE``.
        default_name: the file in the app's instance folder, where no layer says more, without
            ``.sqlite3``.

    Raises:
        DatabaseConfigError: there is no such kind of database, or its driver is not installed.
    """
    folder = Path(app.instance_path)
    default = f"sqlite:///{folder / default_name}.sqlite3"
    text = app.config.get(URL_KEY) or default
    said_in = _said_in(app, URL_KEY)
    url = _parsed(text, said_in)
    if url.get_backend_name() == "sqlite":
        url = url.set(database=str(folder / _file_of(url, said_in)))
    size = app.config.get(POOL_KEY)
    if size is not None and (not isinstance(size, int) or isinstance(size, bool) or size < 1):
        raise DatabaseConfigError(
            f"{_said_in(app, POOL_KEY)} is {size!r}; write a whole number above 0, such as 8"
        )
    return Address(url=url, said_in=said_in, pool_size=size)


def _said_in(app: Flask, key: str) -> str:
    sibling = app.extensions.get(EXTENSION)
    layer = sibling.origins.get(key) if isinstance(sibling, Sibling) else None
    return f"{layer}: {key}" if layer else f"the config of {app.import_name}: {key}"


def _parsed(text: object, said_in: str) -> URL:
    if not isinstance(text, str):
        raise DatabaseConfigError(f"{said_in} is not a text; {_WRITE}")
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):  # whose message may quote the password
        raise DatabaseConfigError(
            f"{said_in} is no URL of a database; {_WRITE}, "
            "with @, : and / in a password written as %40, %3A and %2F"
        ) from None
    backend, _, driver = url.drivername.partition("+")
    if backend not in _DRIVERS:
        known = backend if backend.isidentifier() else "that"
        raise DatabaseConfigError(
            f"{said_in}: {known} is not a kind of database that we know; {_WRITE}"
        )
    ours, module = _DRIVERS[backend]
    if driver not in ("", ours):
        raise DatabaseConfigError(f"{said_in}: the driver is not {ours}; write {backend}://...")
    if importlib.util.find_spec(module) is None:
        raise DatabaseConfigError(
            f"{said_in} is {backend}://..., and its driver {module} is not installed; "
            f"run: pip install --constraint constraints.txt --editable '.[{backend}]'"
        )
    return url.set(drivername=f"{backend}+{ours}")


def _file_of(url: URL, said_in: str) -> str:
    file = url.database or ""
    if file in ("", ":memory:") or file.startswith("file:"):
        raise DatabaseConfigError(
            f"{said_in} names no plain file, and a database in memory would be another one for "
            "each connection; write sqlite:///FILE"
        )
    if url.host:
        raise DatabaseConfigError(f"{said_in}: sqlite:// has no host; write sqlite:///FILE")
    return file
