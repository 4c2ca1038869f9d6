from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import text

from shared_utils import serving
from shared_utils.database import pools
from shared_utils.database.address import address_of
from shared_utils.serving import Serving
from tests import databases
from tests.shared_utils.database.shops import OpenShop


@pytest.fixture(autouse=True)
def served_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "_serving", Serving())
    monkeypatch.setattr(pools, "_sizes", {})


@pytest.fixture
def database_url(tmp_path: Path) -> Iterator[str]:
    with databases.fresh("postgresql", tmp_path) as url:
        yield url


@pytest.mark.parametrize(
    ("workers", "threads", "configured", "size"),
    [
        (1, 512, None, 16),
        (2, 512, None, 8),
        (4, 512, None, 4),
        (64, 512, None, 1),
        (2, 4, None, 4),
        (2, 1, None, 1),
        (4, 512, 20, 20),
    ],
)
def test_size_follows_from_workers_and_threads(
    workers: int, threads: int, configured: int | None, size: int
) -> None:
    app = Flask("shop", root_path="/")
    app.config.update(DATABASE_URL="postgresql://db/shop", DATABASE_POOL_SIZE=configured)
    serving.begin(workers=workers, threads=threads)

    options = pools.options(address_of(app, "shop"))

    assert (options["pool_size"], options["max_overflow"]) == (size, 0)


def test_six_apps_with_four_workers_fit_into_what_postgresql_has_by_default() -> None:
    address = address_of(Flask("shop", root_path="/"), "shop")
    for workers in (1, 2, 4, 8, 16):
        told = Serving(workers=workers, threads=512)
        assert 6 * workers * pools.size_for(address, told) <= 97


def test_a_file_keeps_nobody_waiting() -> None:
    address = address_of(Flask("shop", root_path="/"), "shop")
    assert pools.options(address)["max_overflow"] == -1


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def test_more_than_the_server_has_is_warned_of_once_at_the_first_connection(
    open_shop: OpenShop, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    one, two = open_shop(), open_shop()
    serving.begin(workers=1000, threads=64)
    apps = [
        one.app(database_url, DATABASE_POOL_SIZE=5),
        two.app(database_url, DATABASE_POOL_SIZE=7),
    ]
    assert warnings(caplog) == []

    for _ in range(2):
        for shop, app in zip((one, two), apps, strict=True):
            with app.app_context():
                shop.db.session.execute(text("SELECT 1"))
            with app.app_context():
                shop.db.engine.dispose()

    (warning,) = warnings(caplog)
    assert f"1000 workers with pools of {one.name} 5 may ask for 5000" in warning
    assert "Set DATABASE_POOL_SIZE to 1" in warning


def test_apps_of_one_server_are_counted_together(
    open_shop: OpenShop, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    shops = [open_shop(), open_shop()]
    with shops[0].app(database_url).app_context():
        limit = shops[0].db.session.scalar(text("SELECT current_setting('max_connections')::int"))
    serving.begin(workers=1, threads=64)
    for shop in shops:
        assert warnings(caplog) == []
        with shop.app(database_url, DATABASE_POOL_SIZE=limit // 2).app_context():
            shop.db.session.execute(text("SELECT 1"))
    (warning,) = warnings(caplog)
    assert shops[0].name in warning
    assert shops[1].name in warning


def test_what_fits_is_not_warned_of(
    open_shop: OpenShop, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    shop = open_shop()
    with shop.app(database_url).app_context():
        shop.db.session.execute(text("SELECT 1"))
    assert warnings(caplog) == []
