"""Beginning an import: from a stream of bytes to a job, whose bell is rung."""

from __future__ import annotations

from typing import IO

from flask import abort

from apps.trades.imports import store, tasks, uploads
from apps.trades.imports.constants import UNFINISHED_LIMIT
from apps.trades.imports.enums import Stage
from apps.trades.imports.models import ImportJob
from shared_utils.tasks import has_worker
from shared_utils.tasks.rows import State


def start(owner: str, stream: IO[bytes], filename: str | None) -> ImportJob:
    """Store a file and have a worker import it.

    Raises:
        HTTPException: 413, the file is too large; 429, the owner has too many unfinished imports.
    """
    try:
        store.check_room(owner)
    except store.TooManyError:
        abort(429, f"{UNFINISHED_LIMIT} imports are not finished; wait for one of them.")
    upload = uploads.save(stream)
    try:
        job = store.add(owner, filename=uploads.shown_name(filename), upload=upload)
    except BaseException:
        uploads.discard(upload)
        raise
    tasks.run.ring(job.id)
    return job


def stage_of(job: ImportJob) -> Stage:
    """Return where an import is, for whoever waits for it."""
    if job.state is State.QUEUED and not has_worker(tasks.run.queue):
        return Stage.WAITING
    return Stage(job.state.value)
