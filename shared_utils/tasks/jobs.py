"""Jobs: rows that say what is to be done, how far it is, and who is at it.

    queued ── claim ──> running ── finish ──> done
       ^                 │  │ └─── fail ────> failed
       └──── release ────┘  │                   ^
                            └─ stale, claim: again running, or failed after too many attempts

Who claims a row gets a token, and everything later asks for that token. A runner beats while it is
at work; one that has not for ``STALE_AFTER`` is taken for dead, and the next one may claim its row.
``beat`` belongs into the transaction that writes what was done: if the row has a new runner
meanwhile, it raises, and what the old one was about to write is rolled back. So no job is done by
two at once, and a job whose process is killed goes on from what was committed last.

Each function runs in a write transaction that the caller has begun.
"""

from __future__ import annotations

import contextlib
import datetime
import logging
import secrets
from collections.abc import Callable
from typing import Any, cast

from sqlalchemy import (
    ColumnElement,
    CursorResult,
    and_,
    case,
    or_,
    select,
    update,
)
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.orm import Session

from shared_utils.tasks.registering import Writable
from shared_utils.tasks.rows import JobMixin, State, utc_now

__all__ = [
    "Claim",
    "ClaimLost",
    "JobError",
    "JobMixin",
    "State",
    "beat",
    "claim",
    "fail",
    "finish",
    "left_behind",
    "perform",
    "release",
    "take_for_ringing",
]

logger = logging.getLogger(__name__)

LONGEST_PAUSE = datetime.timedelta(minutes=10)
"""Time that the sweeper waits between two bells for one row, at most."""
LONGEST_ERROR = 4000
"""Characters kept of an error."""


class JobError(Exception):
    """What is wrong with the job itself, in words for the person who waits for it.

    Raised inside of :func:`perform`, it fails the job with these words alone; it is not logged as
    an error of ours.
    """


class ClaimLost(Exception):
    """The row has another runner by now, or none: what is left to do is not this one's."""


def claim(
    session: Session,
    model: type[JobMixin],
    job_id: int,
    *,
    now: datetime.datetime | None = None,
) -> str | None:
    """Make the caller the runner of a job, if it is queued or its runner is dead.

    A job that was begun ``MAX_ATTEMPTS`` times without progress fails here instead.

    Returns:
        The token, for ``beat``, ``finish``, ``fail`` and ``release``; None where there is nothing
        to do: another runner has it, it is over, or it does not exist.
    """
    now = now or utc_now()
    token = secrets.token_hex(16)
    free = and_(model.id == job_id, _is_free(model, now))
    claimed = _set(
        session,
        model,
        free & (model.attempts < model.MAX_ATTEMPTS),
        state=State.RUNNING,
        token=token,
        attempts=model.attempts + 1,
        heartbeat=now,
        ring_at=now,
    )
    if claimed:
        return token
    why = f"given up: it was begun {model.MAX_ATTEMPTS} times and got no further"
    given_up = _set(
        session,
        model,
        # On PostgreSQL this statement may see a row that was given back after the one before.
        free & (model.attempts >= model.MAX_ATTEMPTS),
        state=State.FAILED,
        token=None,
        # What the last attempt said, where it could, comes first.
        error=case((model.error == "", why), else_=model.error + f" ({why})"),
        finished=now,
    )
    if given_up:
        logger.error("%s %s is %s", model.__name__, job_id, why)
    return None


def beat(
    session: Session,
    model: type[JobMixin],
    job_id: int,
    token: str,
    *,
    progress: int | None = None,
    total: int | None = None,
    now: datetime.datetime | None = None,
) -> None:
    """Say that the runner lives, and how far it is.

    Progress beyond the furthest so far makes this the first attempt again.

    Raises:
        ClaimLost: the row is not this runner's any more; let the transaction be rolled back.
    """
    values: dict[str, Any] = {"heartbeat": now or utc_now()}
    if total is not None:
        values["total"] = total
    if progress is not None:
        further = model.progress < progress
        values["progress"] = case((further, progress), else_=model.progress)
        values["attempts"] = case((further, 1), else_=model.attempts)
    _set_own(session, model, job_id, token, **values)


def finish(
    session: Session,
    model: type[JobMixin],
    job_id: int,
    token: str,
    *,
    now: datetime.datetime | None = None,
) -> None:
    """Say that the job is done.

    Raises:
        ClaimLost: the row is not this runner's any more.
    """
    _leave(session, model, job_id, token, state=State.DONE, finished=now or utc_now())


def fail(
    session: Session,
    model: type[JobMixin],
    job_id: int,
    token: str,
    error: str,
    *,
    now: datetime.datetime | None = None,
) -> None:
    """Say that the job cannot be done, and why.

    Raises:
        ClaimLost: the row is not this runner's any more.
    """
    finished = now or utc_now()
    _leave(session, model, job_id, token, state=State.FAILED, error=error, finished=finished)


def release(
    session: Session,
    model: type[JobMixin],
    job_id: int,
    token: str,
    *,
    error: str = "",
    after: datetime.timedelta = datetime.timedelta(),
    now: datetime.datetime | None = None,
) -> None:
    """Give the job back, for an attempt later; this one counts.

    Args:
        error: what was in the way.
        after: how long the sweeper waits before it rings for it; ten minutes at most.

    Raises:
        ClaimLost: the row is not this runner's any more.
    """
    ring_at = (now or utc_now()) + min(after, _longest_pause(model))
    _leave(session, model, job_id, token, state=State.QUEUED, error=error, ring_at=ring_at)


def left_behind(
    session: Session,
    model: type[JobMixin],
    *,
    all_waiting: bool = False,
    limit: int = 500,
    now: datetime.datetime | None = None,
) -> list[tuple[int, datetime.datetime]]:
    """Return which rows wait for a bell, oldest first, as ``(id, ring_at)``. Only reads.

    Args:
        all_waiting: those too that were rung for a moment ago: the messages may be lost.
    """
    now = now or utc_now()
    query = select(model.id, model.ring_at).where(_is_free(model, now))
    if not all_waiting:
        # Farther away than any is set, it is of a clock that went wrong.
        wrong = model.ring_at > now + _longest_pause(model)
        query = query.where(or_(model.ring_at <= now, wrong))
    rows = session.execute(query.order_by(model.id).limit(limit))
    return [(row.id, row.ring_at) for row in rows]


def take_for_ringing(
    session: Session,
    model: type[JobMixin],
    job_id: int,
    ring_at: datetime.datetime,
    *,
    now: datetime.datetime | None = None,
) -> bool:
    """Return whether the caller is the one sweeper that rings for a row which :func:`left_behind`.

    It is due again after as long as it has waited by then, so that a long queue is not filled with
    ever more messages.
    """
    now = now or utc_now()
    created = session.execute(select(model.created).where(model.id == job_id)).scalar()
    if created is None:
        return False
    pause = max(model.RING_AGAIN, min(now - created, LONGEST_PAUSE))
    mine = and_(model.id == job_id, model.ring_at == ring_at, _is_free(model, now))
    due = now + pause
    if due == ring_at:  # what changes nothing would not keep another sweeper from ringing too
        due += datetime.timedelta.resolution
    return bool(_set(session, model, mine, ring_at=due))


class Claim:
    """A job that the caller runs, inside of :func:`perform`.

    Attributes:
        id: of the row.
    """

    def __init__(self, model: type[JobMixin], job_id: int, token: str) -> None:
        self.id = job_id
        self._model, self._token = model, token

    def beat(
        self, session: Session, *, progress: int | None = None, total: int | None = None
    ) -> None:
        """Say that the runner lives, and how far it is: in each transaction that it writes.

        Raises:
            ClaimLost: the row is not this runner's any more; let the transaction be rolled back.
        """
        beat(session, self._model, self.id, self._token, progress=progress, total=total)


def perform(
    db: Writable, model: type[JobMixin], job_id: int, work: Callable[[Claim], object]
) -> None:
    """Claim a job, do it, and say what came of it.

    Where there is nothing to do, as another bell was answered before, nothing is done. An error of
    the database's (it is away, it is locked) gives the job back for another attempt; a
    :class:`JobError` fails it with its own words; any other error fails it, with its text in the
    row and its traceback in the log.

    Args:
        work: does the job, from where it got to; beats in each of its transactions.
    """
    with db.write() as session:
        token = claim(session, model, job_id)
    if token is None:
        return
    try:
        work(Claim(model, job_id, token))
        with db.write() as session:
            finish(session, model, job_id, token)
    except ClaimLost:
        logger.warning("%s %s has another runner, this one stops", model.__name__, job_id)
    except JobError as error:
        with contextlib.suppress(ClaimLost), db.write() as session:
            fail(session, model, job_id, token, str(error))
    except Exception as error:
        again = isinstance(error, OperationalError | InterfaceError)
        logger.exception("%s %s %s", model.__name__, job_id, "is put off" if again else "failed")
        # The original alone: around it SQLAlchemy tells the statement with its values.
        said = f"{type(error).__name__}: {getattr(error, 'orig', None) or error}"
        with contextlib.suppress(ClaimLost), db.write() as session:
            if again:
                release(session, model, job_id, token, error=said, after=model.RING_AGAIN)
            else:
                fail(session, model, job_id, token, said)


def _longest_pause(model: type[JobMixin]) -> datetime.timedelta:
    return max(model.RING_AGAIN, LONGEST_PAUSE)


def _is_free(model: type[JobMixin], now: datetime.datetime) -> ColumnElement[bool]:
    """Say which rows may be claimed: those queued, and those whose runner is dead."""
    # A heartbeat in the future is of a clock that went wrong: it must not count for ever.
    stale = or_(
        model.heartbeat.is_(None),
        model.heartbeat < now - model.STALE_AFTER,
        model.heartbeat > now + model.STALE_AFTER,
    )
    return or_(model.state == State.QUEUED, and_(model.state == State.RUNNING, stale))


def _leave(
    session: Session,
    model: type[JobMixin],
    job_id: int,
    asked: str,
    *,
    error: str = "",
    **values: Any,
) -> None:
    """Give up a row of the runner's own; nobody has it after that."""
    kept = error[:LONGEST_ERROR]
    _set_own(session, model, job_id, asked, token=None, error=kept, **values)


def _set_own(
    session: Session, model: type[JobMixin], job_id: int, asked: str, **values: Any
) -> None:
    mine = and_(model.id == job_id, model.token == asked, model.state == State.RUNNING)
    if not _set(session, model, mine, **values):
        raise ClaimLost(f"{model.__name__} {job_id} is not this runner's any more")


def _set(session: Session, model: type[JobMixin], where: ColumnElement[bool], **values: Any) -> int:
    statement = update(model).where(where).values(**values)
    done = session.execute(statement, execution_options={"synchronize_session": False})
    return cast("CursorResult[Any]", done).rowcount
