"""What the app does with its config."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask

from apps.trades import complete_config, create_app


def test_what_no_layer_sets_has_a_default(tmp_path: Path) -> None:
    app = Flask(__name__, instance_path=str(tmp_path))

    complete_config(app)

    assert app.config["DATABASE"] == str(tmp_path / "trades.sqlite3")
    assert app.config["PAGE_SIZE"] == 50


@pytest.mark.parametrize("size", [0, -1, "50", "lots", 2.5, None])
def test_page_size_that_makes_no_pages_is_refused(size: object) -> None:
    with pytest.raises(ValueError, match=r"PAGE_SIZE is .*; write a whole number above 0"):
        create_app({"SECRET_KEY": "for tests", "PAGE_SIZE": size})
