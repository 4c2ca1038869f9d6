"""Imports in the database, each for its owner alone."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from apps.trades.database import db
from apps.trades.imports.constants import REFUSALS_KEPT, UNFINISHED_LIMIT
from apps.trades.imports.models import ImportJob, RefusedRow
from apps.trades.imports.reading import Refusal
from shared_utils.tasks.rows import State

_UNFINISHED = (State.QUEUED, State.RUNNING)

_LARGEST_ID = 2**31 - 1
"""Of PostgreSQL's INTEGER, which refuses to compare with more."""


class TooManyError(Exception):
    """Somebody has too many unfinished imports for another."""


def check_room(owner: str) -> None:
    """See whether ``owner`` may have another import.

    Raises:
        TooManyError: they may not.
    """
    own = (ImportJob.owner == owner, ImportJob.state.in_(_UNFINISHED))
    count = select(func.count()).select_from(ImportJob).where(*own)
    if db.session.scalars(count).one() >= UNFINISHED_LIMIT:
        raise TooManyError


def add(owner: str, *, filename: str, upload: str) -> ImportJob:
    """Store an import that is to be done."""
    with db.write() as session:
        job = ImportJob(owner=owner, filename=filename[-255:], upload=upload)
        session.add(job)
    return job


def find(owner: str, job_id: int) -> ImportJob | None:
    """Return the import of this id; None where the owner has none such."""
    if job_id > _LARGEST_ID:
        return None
    own = select(ImportJob).where(ImportJob.id == job_id, ImportJob.owner == owner)
    return db.session.scalars(own).one_or_none()


def newest(owner: str, size: int) -> Sequence[ImportJob]:
    """Return the last imports, newest first."""
    own = select(ImportJob).where(ImportJob.owner == owner)
    return db.session.scalars(own.order_by(ImportJob.id.desc()).limit(size)).all()


def refused_rows(job_id: int) -> Sequence[RefusedRow]:
    """Return the rows that could not be imported, as far as they were kept."""
    own = select(RefusedRow).where(RefusedRow.job_id == job_id)
    return db.session.scalars(own.order_by(RefusedRow.line)).all()


def note(
    session: Session, job_id: int, *, added: int, known: int, refusals: Sequence[Refusal]
) -> None:
    """Add to an import what came of some more rows, in the transaction that stores them."""
    before = session.scalars(select(ImportJob.refused).where(ImportJob.id == job_id)).one()
    session.execute(
        update(ImportJob)
        .where(ImportJob.id == job_id)
        .values(
            added=ImportJob.added + added,
            known=ImportJob.known + known,
            refused=ImportJob.refused + len(refusals),
        )
        .execution_options(synchronize_session=False)
    )
    session.add_all(
        RefusedRow(job_id=job_id, line=line, message=message)
        for line, message in refusals[: max(0, REFUSALS_KEPT - before)]
    )


def needed_uploads() -> set[str]:
    """Return the files of all imports that are not finished."""
    return set(db.session.scalars(select(ImportJob.upload).where(ImportJob.state.in_(_UNFINISHED))))
