"""Background tasks: a job is a row in the app's database, and a message only rings the bell.

    # apps/trades/imports/tasks.py
    @task("trades")                       # "trades.imports.run", in the queue "trades"
    def run(job_id: int) -> None:
        jobs.perform(db, ImportJob, job_id, import_rows)

    # apps/trades/imports/views.py
    with db.write() as session:
        session.add(job := ImportJob())
        session.flush()
        job_id = job.id
    run.ring(job_id)                      # after the commit; never raises

    # apps/trades/__init__.py, in create_app
    tasks.register(app, db, ImportJob, ring=run.ring)

``celery -A shared_utils.tasks worker`` finds the one Celery object here. Neither Celery nor
SQLAlchemy is imported before it is asked for. All of it is told in ``docs/tasks.md``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from shared_utils.tasks.bells import Task, task
from shared_utils.tasks.presence import has_worker, require_worker
from shared_utils.tasks.registering import Jobs, jobs_of, register

if TYPE_CHECKING:
    from shared_utils.tasks import jobs
    from shared_utils.tasks.celery_app import celery
    from shared_utils.tasks.celery_app import celery as app
    from shared_utils.tasks.rows import JobMixin

__all__ = [
    "JobMixin",
    "Jobs",
    "Task",
    "app",
    "celery",
    "has_worker",
    "jobs",
    "jobs_of",
    "register",
    "require_worker",
    "task",
]


def __getattr__(name: str) -> Any:
    if name in ("celery", "app"):
        from shared_utils.tasks.celery_app import celery

        return celery
    if name == "jobs":
        return importlib.import_module("shared_utils.tasks.jobs")
    if name == "JobMixin":
        from shared_utils.tasks.rows import JobMixin

        return JobMixin
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
