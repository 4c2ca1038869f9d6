from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask, render_template_string

from shared_utils import look
from shared_utils.sibling import EXTENSION, Sibling
from tests.street import House, Next

Rendered = Callable[..., str]


@pytest.fixture
def app() -> Flask:
    """An app that is served alone, with the look."""
    made = Flask("trades", static_folder=None)
    made.secret_key = "for tests"
    made.extensions[EXTENSION] = Sibling(
        name="trades", prefix="/", row={}, origins={}, title="Our trades"
    )
    look.init_app(made)
    return made


@pytest.fixture
def mount(app: Flask) -> Callable[..., None]:
    """Put the app into a row: ``mount("home", "accounts")``."""

    def mount(*neighbours: str, prefix: str = "/trades") -> None:
        houses = [House(name="trades", prefix=prefix, title="Our trades")]
        houses += [
            House(name=name, prefix="/" if name == "home" else f"/{name}") for name in neighbours
        ]
        app.extensions[EXTENSION] = Sibling(
            name="trades",
            prefix=prefix,
            row={house.name: Next(mount=house) for house in houses},
            origins={},
            title="Our trades",
        )

    return mount


@pytest.fixture
def render(app: Flask) -> Rendered:
    """Render a template as in a request: ``render(source, at="/here?x=1", name=value)``."""

    def render(
        source: str, *, at: str = "/", script_name: str = "", method: str = "GET", **context: Any
    ) -> str:
        base_url = f"http://localhost{script_name}"
        with app.test_request_context(at, base_url=base_url, method=method):
            return render_template_string(source, **context)

    return render
