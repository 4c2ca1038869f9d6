"""An app with jobs, made in the test itself."""

from __future__ import annotations

import datetime
from pathlib import Path

from flask import Flask
from sqlalchemy.orm import DeclarativeBase

from shared_utils.database import Database
from shared_utils.tasks import JobMixin

START = datetime.datetime(2026, 11, 21, 12, tzinfo=datetime.UTC)


class Base(DeclarativeBase):
    pass


class Job(JobMixin, Base):
    __tablename__ = "job"
    STALE_AFTER = datetime.timedelta(seconds=30)
    MAX_ATTEMPTS = 3


db = Database(Base.metadata)


def make_app(url: str, folder: Path) -> Flask:
    """Make an app with its tables, and a first job."""
    app = Flask("works", instance_path=str(folder / "instance"))
    app.config["DATABASE_URL"] = url
    db.init_app(app)
    with app.app_context():
        Base.metadata.create_all(db.engine)
        with db.write() as session:
            session.add(Job(id=1, created=START, ring_at=START + Job.RING_AGAIN))
    return app


def job() -> Job:
    """Return the first job as it is now."""
    with db.write() as session:
        found = session.get(Job, 1)
    assert found is not None
    return found
