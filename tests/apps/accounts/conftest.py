from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from apps.accounts import create_app
from apps.accounts.database import db
from tests import databases
from tests.apps.accounts.person import Person


@pytest.fixture
def accounts_prefix(served: tuple[str, str]) -> str:
    return served[0]


@pytest.fixture
def accounts_config(tmp_path: Path) -> dict[str, Any]:
    """Keys of the test's own, and hashes that cost next to nothing."""
    return {
        "SECRET_KEY": "for tests",
        "TESTING": True,
        "PROPAGATE_EXCEPTIONS": False,
        "IDENTITY_PRIVATE_KEY_FILE": str(tmp_path / "identity.pem"),
        "IDENTITY_PUBLIC_KEY_FILE": str(tmp_path / "identity.pub.pem"),
        "DATABASE_URL": f"sqlite:///{tmp_path / 'accounts.sqlite3'}",
        "HASH_MEMORY": 64,
        "HASH_PASSES": 1,
        "HASH_LANES": 1,
    }


@pytest.fixture
def make_accounts(
    served: tuple[str, str], tmp_path: Path, accounts_config: dict[str, Any]
) -> Iterator[Callable[..., Flask]]:
    """Return what makes an app with further config, and its tables."""
    made: list[Flask] = []

    def make(**config: Any) -> Flask:
        app = create_app(accounts_config | {"DATABASE_URL": url} | config)
        databases.migrate(app, db)
        made.append(app)
        return app

    with databases.fresh(served[1], tmp_path) as url:
        yield make
        for app in made:
            with app.app_context():
                db.engine.dispose()


@pytest.fixture
def accounts_app(make_accounts: Callable[..., Flask]) -> Flask:
    return make_accounts()


@pytest.fixture
def person(accounts_app: Flask, accounts_prefix: str) -> Person:
    return Person(accounts_app, accounts_prefix)
