from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from flask import Flask

from apps.trades import create_app
from tests.apps.trades.trader import Trader


@pytest.fixture(params=["", "/north/trades"], ids=["at the root", "under a prefix"])
def trades_prefix(request: pytest.FixtureRequest) -> str:
    prefix: str = request.param
    return prefix


@pytest.fixture
def trades_database(tmp_path: Path) -> Path:
    return tmp_path / "not made yet" / "trades.sqlite3"


@pytest.fixture
def trades_app(trades_database: Path) -> Flask:
    return create_app(
        {
            "SECRET_KEY": "for tests",
            "TESTING": True,
            "PROPAGATE_EXCEPTIONS": False,
            "DATABASE": str(trades_database),
            "PAGE_SIZE": 3,
            "MAX_CONTENT_LENGTH": 65536,
        }
    )


@pytest.fixture
def trader(trades_app: Flask, trades_prefix: str) -> Trader:
    return Trader(trades_app, trades_prefix)


@pytest.fixture
def tomorrow() -> str:
    return (datetime.date.today() + datetime.timedelta(days=1)).isoformat()
