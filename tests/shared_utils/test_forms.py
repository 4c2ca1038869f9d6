"""Forms that only an app's own pages can send, and for how long."""

from __future__ import annotations

import time

import pytest
from flask import Flask, render_template_string

from shared_utils import forms


@pytest.fixture
def app() -> Flask:
    made = Flask("shop")
    made.secret_key = "for tests"
    csrf = forms.protect(made)

    @made.route("/", methods=["GET", "POST"])
    def index() -> str:
        return render_template_string("{{ csrf_token() }}")

    @csrf.exempt  # type: ignore[untyped-decorator]  # its package has no types
    def open_to_programs() -> str:
        return "done"

    made.add_url_rule("/api", view_func=open_to_programs, methods=["POST"])
    return made


def test_what_is_sent_without_our_token_is_refused(app: Flask) -> None:
    client = app.test_client()
    token = client.get("/").text
    assert client.post("/").status_code == 400
    assert client.post("/", data={"csrf_token": f"{token}x"}).status_code == 400
    assert client.post("/", data={"csrf_token": token}).status_code == 200
    assert client.post("/api").status_code == 200


@pytest.mark.parametrize(("limit", "status"), [(None, 200), (3600, 400)], ids=["ours", "an hour"])
def test_a_token_is_as_old_as_its_session(
    app: Flask, monkeypatch: pytest.MonkeyPatch, limit: int | None, status: int
) -> None:
    app.config["WTF_CSRF_TIME_LIMIT"] = app.config["WTF_CSRF_TIME_LIMIT"] or limit
    client = app.test_client()
    token, now = client.get("/").text, time.time()
    monkeypatch.setattr(time, "time", lambda: now + 7 * 86400)
    assert client.post("/", data={"csrf_token": token}).status_code == status
