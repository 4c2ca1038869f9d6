"""Which kinds of jobs an app has, so that the sweeper finds those left behind."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

from flask import Flask

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from shared_utils.tasks.rows import JobMixin

EXTENSION = "rowhouse_jobs"


class Writable(Protocol):
    """A database of an app, as jobs need it: ``shared_utils.database.Database`` is one."""

    @property
    def session(self) -> Session:
        """The session that the current app context reads with."""

    def write(self) -> AbstractContextManager[Session]:
        """Begin a write transaction; commit at the end, roll back on an error."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Jobs:
    """One kind of jobs.

    Attributes:
        db: where the rows are.
        model: the rows.
        ring: rings the bell for the row of an id; does not raise.
    """

    db: Writable
    model: type[JobMixin]
    ring: Callable[[int], object]


def register(
    app: Flask, db: Writable, model: type[JobMixin], *, ring: Callable[[int], Any]
) -> None:
    """Have the sweeper look after the rows of ``model``: those left behind are rung again.

    Called in ``create_app``; it connects to nothing.

    Args:
        db: the app's database.
        model: mapped class with ``JobMixin``.
        ring: ``ring`` of the task that performs such a job.
    """
    app.extensions.setdefault(EXTENSION, []).append(Jobs(db=db, model=model, ring=ring))


def jobs_of(app: Flask) -> list[Jobs]:
    """Return the kinds of jobs that an app has registered."""
    return list(app.extensions.get(EXTENSION, []))
