from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from shared_utils.database.address import DatabaseConfigError, address_of
from shared_utils.sibling import EXTENSION, Sibling


def app_with(folder: Path, **config: object) -> Flask:
    app = Flask("shop", root_path="/", instance_path=str(folder))
    app.config.update(config)
    origins = dict.fromkeys(config, "instance/shop.py")
    app.extensions[EXTENSION] = Sibling(name="shop", prefix="/shop", row={}, origins=origins)
    return app


@pytest.mark.parametrize("config", [{}, {"DATABASE_URL": None}, {"DATABASE_URL": ""}])
def test_default_is_a_file_in_the_instance_folder(tmp_path: Path, config: dict[str, Any]) -> None:
    address = address_of(app_with(tmp_path, **config), "shop")

    assert address.shown == f"sqlite:///{tmp_path}/shop.sqlite3"
    assert address.is_sqlite


@pytest.mark.parametrize(
    ("url", "file"),
    [
        ("sqlite:///a.db", "{instance}/a.db"),
        ("sqlite:///a/b c%.db", "{instance}/a/b c%.db"),
        ("sqlite:////srv/a.db", "/srv/a.db"),
        ("sqlite+pysqlite:////srv/a.db", "/srv/a.db"),
    ],
)
def test_a_relative_file_is_in_the_instance_folder(tmp_path: Path, url: str, file: str) -> None:
    address = address_of(app_with(tmp_path, DATABASE_URL=url), "shop")

    assert address.url.database == file.format(instance=tmp_path)


def test_postgresql_is_spoken_to_by_psycopg_and_shown_without_its_user(tmp_path: Path) -> None:
    url = "postgresql://ann:hunter2@db:5433/shop?sslmode=require&password=hunter2"
    address = address_of(app_with(tmp_path, DATABASE_URL=url, DATABASE_POOL_SIZE=3), "shop")

    assert address.url.drivername == "postgresql+psycopg"
    assert address.url.password == "hunter2"
    assert address.shown == "postgresql://db:5433/shop"
    assert address.pool_size == 3


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("hunter2", "is no URL of a database; write sqlite:///FILE or postgresql://USER:"),
        ("postgresql://ann:p@ss:hunter2@db/shop", "is no URL of a database"),
        ("postgresql://ann:hunter2@db:port/shop", "a password written as %40, %3A and %2F"),
        ("postgres://ann:hunter2@db/shop", "postgres is not a kind of database that we know"),
        ("mysql://ann:hunter2@db/shop", "mysql is not a kind of database that we know"),
        ("postgresql+psycopg2://ann:hunter2@db/shop", "driver is not psycopg; write postgresql:"),
        ("sqlite+aiosqlite:///a.db", "driver is not pysqlite; write sqlite://..."),
        ("sqlite://", "names no plain file"),
        ("sqlite:///:memory:", "another one for each connection; write sqlite:///FILE"),
        ("sqlite:///file:a.db?uri=true&pw=hunter2", "names no plain file"),
        ("sqlite://hunter2/a.db", "has no host"),
        ({"url": "hunter2"}, "is not a text"),
        (5, "is not a text"),
    ],
)
def test_a_wrong_url_is_told_with_its_place_and_without_itself(
    tmp_path: Path, url: object, told: str
) -> None:
    with pytest.raises(DatabaseConfigError) as caught:
        address_of(app_with(tmp_path, DATABASE_URL=url), "shop")

    message = str(caught.value)
    assert message.startswith("instance/shop.py: DATABASE_URL")
    assert told in message
    assert "hunter2" not in message
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize("size", [0, -1, "8", 2.5, True])
def test_a_wrong_pool_size_is_told(tmp_path: Path, size: object) -> None:
    with pytest.raises(
        DatabaseConfigError, match=r"instance/shop.py: DATABASE_POOL_SIZE is .* above 0, such as 8"
    ):
        address_of(app_with(tmp_path, DATABASE_POOL_SIZE=size), "shop")


def test_a_missing_driver_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DatabaseConfigError, match=r"psycopg is not installed; run: .*postgresql"):
        address_of(app_with(tmp_path, DATABASE_URL="postgresql://ann:hunter2@db/shop"), "shop")
