"""What the app does with its config."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask

from apps.trades import complete_config, create_app


def test_what_no_layer_sets_has_a_default(tmp_path: Path) -> None:
    app = Flask(__name__, instance_path=str(tmp_path))

    complete_config(app)

    assert app.config["PAGE_SIZE"] == 50
    assert app.config["UPLOAD_LIMIT"] == 16 * 2**20


@pytest.mark.parametrize("size", [0, -1, "50", "lots", 2.5, None])
@pytest.mark.parametrize("key", ["PAGE_SIZE", "UPLOAD_LIMIT"])
def test_size_that_is_none_is_refused(key: str, size: object) -> None:
    with pytest.raises(ValueError, match=rf"{key} is .*; write a whole number above 0"):
        create_app({"SECRET_KEY": "for tests", key: size})


def test_path_of_a_database_has_become_a_url() -> None:
    with pytest.raises(ValueError, match=r"DATABASE_URL = 'sqlite:////srv/trades.sqlite3'"):
        create_app({"SECRET_KEY": "for tests", "DATABASE": "/srv/trades.sqlite3"})
