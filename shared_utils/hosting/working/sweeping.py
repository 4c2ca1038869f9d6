"""Rings again for rows left behind: queued ones that nobody came for, and those of dead runners.

Messages are lost, as when a broker restarts or a process is killed between its commit and its bell.
So each worker looks into the tables of its apps every ten seconds, in its pool's processes. Several
workers may do so at once: for each row, one of them rings.
"""

from __future__ import annotations

import dataclasses
import functools
import logging
import os
from time import monotonic
from typing import Any

from celery import bootsteps  # type: ignore[import-untyped]
from flask import Flask

from shared_utils.hosting.working import contexts
from shared_utils.hosting.working.crew import Crew
from shared_utils.logging import app_name
from shared_utils.tasks.registering import Jobs, jobs_of

logger = logging.getLogger(__name__)

EVERY = float(os.environ.get("ROWHOUSE_SWEEP_EVERY") or 10.0)
"""Seconds between two looks into the tables of an app."""
LAST_RETRY = 60.0
"""Seconds between two looks into one that is down, at most."""
GIVEN_UP_AFTER = 300.0
"""Seconds after which a look that has not come back is thought lost with its process."""

WELL, NO_JOBS, DOWN = "well", "no jobs", "down"


def sweep(name: str, all_waiting: bool) -> str:
    """Ring for the rows of one app that are left behind; called in a process of the pool.

    Args:
        all_waiting: for those too that were rung for a moment ago.

    Returns:
        How the app is.
    """
    token = app_name.set(name)
    try:
        with contexts.context_of(name) as app:
            kinds = jobs_of(app)
            sound = [_sweep(app, kind, all_waiting) for kind in kinds]
    except contexts.NotBuilt as error:
        logger.error("jobs of %s wait: %s", name, error, exc_info=error.__cause__)
        return DOWN
    finally:
        app_name.reset(token)
    if not kinds:
        return NO_JOBS
    return WELL if all(sound) else DOWN


def _sweep(app: Flask, kind: Jobs, all_waiting: bool) -> bool:
    # Here: only an app that has registered jobs needs SQLAlchemy.
    from sqlalchemy.exc import SQLAlchemyError

    from shared_utils.tasks import jobs

    mine = []
    try:
        with app.app_context():
            waiting = jobs.left_behind(kind.db.session, kind.model, all_waiting=all_waiting)
            if waiting:
                with kind.db.write() as session:
                    mine = [
                        job_id
                        for job_id, ring_at in waiting
                        if jobs.take_for_ringing(session, kind.model, job_id, ring_at)
                    ]
    except SQLAlchemyError as error:  # a database that is away, tables that are not there yet
        said = [str(getattr(error, "orig", None) or error), *getattr(error, "__notes__", ())]
        logger.error("%s wait, they cannot be read: %s", kind.model.__name__, "; ".join(said))
        return False
    for job_id in mine:
        kind.ring(job_id)
    if mine:
        logger.info("rang again for %d of %s", len(mine), kind.model.__name__)
    return True


@dataclasses.dataclass
class _Turn:
    """When an app is looked at next, and how it went."""

    due: float = 0.0
    began: float | None = None
    failures: int = 0


class Sweeper(bootsteps.StartStopStep):  # type: ignore[misc]
    """The part of a worker that has its apps swept, each on its own."""

    requires = frozenset({"celery.worker.components:Timer", "celery.worker.components:Pool"})

    def __init__(self, worker: Any, **options: Any) -> None:
        super().__init__(worker, **options)
        self._entry: Any = None

    def start(self, worker: Any) -> None:
        """Begin, at once."""
        self._crew: Crew = worker.crew
        self._pool = worker.pool
        listened = worker.app.amqp.queues.consume_from
        self._turns = {name: _Turn() for name in self._crew.names if name in listened}
        self._entry = worker.timer.call_repeatedly(min(1.0, EVERY), self._look)

    def stop(self, worker: Any) -> None:
        """End."""
        if self._entry is not None:
            self._entry.cancel()
            self._entry = None

    terminate = stop

    def _look(self) -> None:
        now = monotonic()
        for name, turn in self._turns.items():
            if self._crew.is_in_maintenance(name):
                continue  # what waits meanwhile is rung for afterwards
            if turn.began is not None:
                if now < turn.began + GIVEN_UP_AFTER:
                    continue
                self._crew.unheard.add(name)
            if turn.due <= now:
                turn.began = now
                all_waiting = name in self._crew.unheard
                # Now: bells that go by before the answer comes are noted anew.
                self._crew.unheard.discard(name)
                # Past the slots of tasks: it is short, and waits in the pool for a free process.
                self._pool.on_apply(
                    sweep,
                    (name, all_waiting),
                    {},
                    waitforslot=False,
                    callback=functools.partial(self._swept, name, turn),
                    error_callback=functools.partial(self._swept, name, turn),
                )

    def _swept(self, name: str, turn: _Turn, told: object) -> None:
        turn.began = None
        if told in (WELL, NO_JOBS):
            turn.failures = 0
            self._crew.down.discard(name)
            # While it was down, its own bells may have come before this answer.
            pause = 0.0 if name in self._crew.unheard else EVERY
            turn.due = monotonic() + pause if told == WELL else float("inf")
            return
        # DOWN, or the loss of the process that built it.
        turn.failures += 1
        self._crew.down.add(name)
        self._crew.unheard.add(name)
        turn.due = monotonic() + min(EVERY * 2 ** min(turn.failures - 1, 16), LAST_RETRY)
        if told != DOWN:
            logger.error("%s is down for tasks: its process was lost: %s", name, told)
