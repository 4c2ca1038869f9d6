"""The row of a job: its columns, and what they mean."""

from __future__ import annotations

import datetime
import enum
from typing import ClassVar

from sqlalchemy import Enum, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from shared_utils.database.types import UtcDateTime

RING_AGAIN = datetime.timedelta(seconds=30)
"""Time after which a waiting row is rung again for the first time; then after twice as long."""


class State(enum.StrEnum):
    """Where a job is."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


def utc_now() -> datetime.datetime:
    """Return this moment."""
    return datetime.datetime.now(datetime.UTC)


class JobMixin:
    """Columns of a job; an app's own class of jobs adds what it works on.

    Attributes:
        STALE_AFTER: time without a heartbeat after which a runner is taken for dead. A runner has
            to beat more often, and the clocks of all machines have to agree better.
        MAX_ATTEMPTS: attempts without progress before the job is given up.
        progress: how far it is, in a unit of the job's own; never goes back.
        total: what ``progress`` comes to in the end; None where that is not known.
        attempts: how often it was begun since it last made progress.
        heartbeat: when its runner last said that it lives.
        token: what its runner claimed it with.
        ring_at: when the sweeper rings for it, if it still waits.
        error: why it failed, for the person who waits for it.
    """

    STALE_AFTER: ClassVar[datetime.timedelta] = datetime.timedelta(seconds=30)
    MAX_ATTEMPTS: ClassVar[int] = 5

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    state: Mapped[State] = mapped_column(
        Enum(
            State,
            native_enum=False,
            length=10,
            values_callable=lambda states: [state.value for state in states],
        ),
        default=State.QUEUED,
        index=True,
    )
    progress: Mapped[int] = mapped_column(Integer, default=0)
    total: Mapped[int | None] = mapped_column(Integer, default=None)
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    heartbeat: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime, default=None)
    token: Mapped[str | None] = mapped_column(String(32), default=None)
    ring_at: Mapped[datetime.datetime] = mapped_column(
        UtcDateTime, default=lambda: utc_now() + RING_AGAIN
    )
    error: Mapped[str] = mapped_column(Text, default="")
    created: Mapped[datetime.datetime] = mapped_column(UtcDateTime, default=utc_now)
    finished: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime, default=None)
