from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from shared_utils.database import upgrade
from tests.conftest import Modules
from tests.shared_utils.database.shops import OpenShop, Shop


@pytest.fixture
def open_shop(modules: Modules, tmp_path: Path, database_url: str) -> Iterator[OpenShop]:
    """Make a shop. It depends on the database, so that it is closed before that is dropped."""
    shops: list[Shop] = []

    def open_one() -> Shop:
        shops.append(Shop(modules, tmp_path / "instance"))
        return shops[-1]

    yield open_one
    for shop in shops:
        shop.close()


@pytest.fixture
def shop(open_shop: OpenShop) -> Shop:
    return open_shop()


@pytest.fixture
def app(shop: Shop, database_url: str) -> Flask:
    """Give an app with its tables made."""
    made = shop.app(database_url)
    upgrade(made)
    return made
