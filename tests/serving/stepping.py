"""An app whose jobs go through steps, each of which leaves one row, as source."""

from __future__ import annotations

from tests.running import Project

APP = """
    from flask import Flask
    from apps.{name}.models import Job, db
    from apps.{name}.tasks import run
    from config import configure_app
    from shared_utils import tasks

    def create_app(overrides=None):
        app = Flask(__name__)
        configure_app(app, overrides)
        db.init_app(app)
        tasks.register(app, db, Job, ring=run.ring)

        @app.post("/jobs")
        def begin():
            with db.write() as session:
                session.add(job := Job(total={steps}))
                session.flush()
                job_id = job.id
            run.ring(job_id)
            return {{"id": job_id, "worker": tasks.has_worker("{name}")}}, 202

        @app.get("/jobs/<int:job_id>")
        def look(job_id):
            job = db.session.get(Job, job_id)
            return {{"state": job.state, "progress": job.progress, "error": job.error}}

        return app
"""

MODELS = """
    import datetime
    from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
    from shared_utils.database import Database
    from shared_utils.tasks import JobMixin

    class Base(DeclarativeBase):
        pass

    class Job(JobMixin, Base):
        __tablename__ = "job"
        STALE_AFTER = datetime.timedelta(seconds={stale})
        RING_AGAIN = datetime.timedelta(seconds={ring})
        MAX_ATTEMPTS = {attempts}

    class Step(Base):
        # Nothing unique in it: what is done twice is there twice.
        __tablename__ = "step"
        id: Mapped[int] = mapped_column(primary_key=True)
        job_id: Mapped[int]
        number: Mapped[int]

    db = Database(Base.metadata)
"""

TASKS = """
    import os
    import time
    from apps.{name}.models import Job, Step, db
    from shared_utils.tasks import jobs, task

    @task("{name}")
    def run(job_id):
        jobs.perform(db, Job, job_id, go)

    def go(claim):
        job = db.session.get(Job, claim.id)
        for number in range(job.progress, job.total):
            with db.write() as session:
                session.add(Step(job_id=claim.id, number=number))
                session.flush()
                claim.beat(session, progress=number + 1)
            time.sleep({pause})
"""

ENQUEUE = """
    import sys
    import time
    from apps.{name} import create_app
    from apps.{name}.models import Base, Job, db
    from apps.{name}.tasks import run

    with create_app().app_context():
        Base.metadata.create_all(db.engine)
        for _ in range(int(sys.argv[1])):
            with db.write() as session:
                session.add(job := Job(total={steps}))
                session.flush()
                job_id = job.id
            run.ring(job_id)
            time.sleep(0.02)
"""


def write_stepping(
    project: Project,
    name: str = "steps",
    *,
    steps: int = 50,
    pause: float = 0.002,
    stale: float = 1.0,
    ring: float = 0.5,
    attempts: int = 5,
) -> None:
    """Write the app, and ``enqueue.py``, which makes the tables and as many jobs as it is told."""
    values = {
        "name": name,
        "steps": steps,
        "pause": pause,
        "stale": stale,
        "ring": ring,
        "attempts": attempts,
    }
    module = project.app(name, APP.format(**values))
    project.write(module.with_name("models.py"), MODELS.format(**values))
    project.write(module.with_name("tasks.py"), TASKS.format(**values))
    project.write(project.root / "enqueue.py", ENQUEUE.format(**values))
