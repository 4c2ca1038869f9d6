from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from apps.trades import create_app
from apps.trades.database import db
from tests import databases
from tests.apps.trades.trader import Trader


@pytest.fixture
def trades_prefix(served: tuple[str, str]) -> str:
    return served[0]


@pytest.fixture
def trades_url(served: tuple[str, str], tmp_path: Path) -> Iterator[str]:
    """Give the URL of a database that is not made yet."""
    with databases.fresh(served[1], tmp_path / "not made yet") as url:
        yield url


@pytest.fixture
def unmade_app(trades_url: str, tmp_path: Path) -> Iterator[Flask]:
    """Give an app without its tables."""
    app = create_app(
        {
            "SECRET_KEY": "for tests",
            "TESTING": True,
            "PROPAGATE_EXCEPTIONS": False,
            "DATABASE_URL": trades_url,
            "PAGE_SIZE": 3,
            "MAX_CONTENT_LENGTH": 65536,
            "UPLOAD_LIMIT": 200_000,
        }
    )
    app.instance_path = str(tmp_path / "instance")
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def trades_app(unmade_app: Flask) -> Flask:
    databases.migrate(unmade_app, db)
    return unmade_app


@pytest.fixture
def trader(trades_app: Flask, trades_prefix: str) -> Trader:
    return Trader(trades_app, trades_prefix)


@pytest.fixture(autouse=True)
def silent_bell(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """Send no message to any broker; give what would have been rung."""
    rung: list[tuple[object, ...]] = []
    monkeypatch.setattr("shared_utils.tasks.bells.send", lambda *message: rung.append(message))
    return rung


@pytest.fixture
def day_after_tomorrow() -> str:
    return (datetime.date.today() + datetime.timedelta(days=2)).isoformat()
