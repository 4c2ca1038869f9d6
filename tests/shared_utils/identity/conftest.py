from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, render_template_string

from shared_utils import errors, identity
from shared_utils.identity import Identity, current_identity, login_required, role_required
from shared_utils.identity.keys import PrivateKey
from shared_utils.sibling import EXTENSION, Sibling


@pytest.fixture
def key_files(tmp_path: Path) -> dict[str, str]:
    """Config of an app that has keys of the test's own."""
    return {
        "IDENTITY_PRIVATE_KEY_FILE": str(tmp_path / "keys" / "identity.pem"),
        "IDENTITY_PUBLIC_KEY_FILE": str(tmp_path / "keys" / "identity.pub.pem"),
    }


@pytest.fixture
def make_sibling(
    key_files: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Flask]:
    """Return what makes an app that greets those who are signed in."""
    monkeypatch.delenv("ROWHOUSE_DEV_IDENTITY", raising=False)

    def make(**place: Any) -> Flask:
        app = Flask("trades")
        app.config.update(key_files)
        place = {"name": "trades", "prefix": "/", "row": {}, "origins": {}} | place
        app.extensions[EXTENSION] = Sibling(**place)
        identity.init_app(app)
        errors.init_app(app)

        @app.route("/private", methods=["GET", "POST"])
        @login_required
        def private() -> str:
            found = current_identity()
            assert found is not None
            return f"{found.id} {found.name}"

        @app.get("/console")
        @role_required("operator", "auditor")
        def console() -> str:
            return "console"

        @app.get("/who")
        def who() -> str:
            return render_template_string("{{ current_identity.name or 'nobody' }}")

        app.add_url_rule("/plain", "plain", lambda: "plain")
        return app

    return make


@pytest.fixture
def sibling(make_sibling: Callable[..., Flask]) -> Flask:
    return make_sibling()


@pytest.fixture
def private_key(sibling: Flask) -> PrivateKey:
    key = PrivateKey(sibling)
    key.make()
    return key


@pytest.fixture
def ann() -> Identity:
    return Identity(id="7", name="ann", roles=frozenset({"user"}))
