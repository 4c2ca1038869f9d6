"""What a worker says of itself, also where its apps are hostile."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.test import Client

from shared_utils.hosting.inspection.answers import Answers
from shared_utils.hosting.inspection.recent import Recent
from shared_utils.hosting.pages import row_of
from tests.conftest import ProjectFolder

HOSTILE = """
    from flask import Flask
    from config import configure_app

    class Value:
        def __repr__(self):
            raise SystemExit(3)

    def create_app(overrides=None):
        app = Flask(__name__)
        configure_app(app, overrides)
        app.config["VALUE"] = Value()

        @app.get("/fail")
        def fail():
            raise OSError("cannot reach postgresql://me:hunter2@db/shop?password=hunter3 today")

        return app
"""


@pytest.fixture
def ask(project: ProjectFolder) -> Callable[..., dict[str, Any]]:
    project.app("shop", HOSTILE)
    project.app("broken", 'raise OSError("redis://:hunter2@queue")')
    host = project.host()
    row = row_of(host)
    recent = Recent(row.mounts)
    row.recorder.finished.append(recent.note)
    made = Answers(row, recent)

    def asked(path: str = "", /, **question: Any) -> dict[str, Any]:
        if path:
            Client(host).get(path, buffered=True)
        return made.answer(question)

    return asked


def test_a_worker_says_who_it_is_and_how_each_mount_is(ask: Callable[..., dict[str, Any]]) -> None:
    told = ask(ask="worker")
    assert told["pid"] == os.getpid()
    assert told["running"] == []
    assert {name: mount["state"] for name, mount in told["mounts"].items()} == {
        "shop": "up",
        "broken": "down",
    }
    json.dumps(told)  # goes over a socket


def test_what_is_not_understood_is_answered_with_nothing(ask: Callable[..., Any]) -> None:
    for question in ({}, {"ask": "secrets"}, {"ask": ["worker"]}):
        assert ask(**question) == {}
    for asked in ("running", "recent", "inside"):
        assert ask(ask=asked, app="x") == {}
    assert ask(do="exec", app="shop") == {}
    assert ask(do="rebuild", app="nothing") == {"refused": "there is no mount 'nothing'"}
    assert ask(do="rebuild", app="shop") == {"refused": "it is up"}


def test_secrets_in_what_an_app_lets_out_are_not_told(ask: Callable[..., Any]) -> None:
    (failed,) = ask("/shop/fail?token=hunter4", ask="recent", app="shop")["failed"]
    assert failed["path"] == "/shop/fail"
    assert failed["failure"].startswith("OSError: cannot reach postgresql://me:********@db")
    told = json.dumps([ask(ask="worker"), ask(ask="recent", app="shop")])
    assert "hunter" not in told
    assert "redis://:********@queue" in told


def test_a_value_that_cannot_be_shown_hides_nothing_else(ask: Callable[..., Any]) -> None:
    told = ask(ask="inside", app="shop")
    values = {setting["key"]: setting["value"] for setting in told["settings"]}
    assert values["VALUE"] == "(cannot be shown: SystemExit)"
    assert values["SECRET_KEY"] == repr("********")
    assert "/shop/fail" in [route["rule"] for route in told["routes"]]


@pytest.mark.parametrize("thread", [None, "1", 0, -1, 10**30])
def test_where_a_thread_is_is_told_for_a_request_alone(
    ask: Callable[..., Any], thread: object
) -> None:
    assert ask(ask="stack", thread=thread, request_id="x") == {"gone": True}
