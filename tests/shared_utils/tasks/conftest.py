from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from tests import databases
from tests.shared_utils.tasks.works import db, make_app


@pytest.fixture(params=databases.KINDS)
def app(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Flask]:
    """An app with one job, on each kind of database, and its context entered."""
    with databases.fresh(request.param, tmp_path) as url:
        made = make_app(url, tmp_path)
        with made.app_context():
            yield made
            db.engine.dispose()
