"""No exit code of a worker stops the master."""

from __future__ import annotations

import contextlib
import http.client

import pytest

from tests.running import Project, Serve, Server, until

LEAVES = """
    import os
    import sys

    from flask import Flask
    from config import configure_app

    def create_app(overrides=None):
        app = Flask(__name__)
        configure_app(app, overrides)

        @app.get("/exit/<int:code>")
        def leave(code):
            os._exit(code)

        @app.get("/sys/<int:code>")
        def raise_exit(code):
            sys.exit(code)

        return app
"""


@pytest.mark.parametrize("path", ["/leaves/exit/3", "/leaves/exit/4", "/leaves/sys/3"])
def test_an_app_that_ends_its_worker_costs_no_more_than_that(
    project: Project, serve: Serve, path: str
) -> None:
    project.app("leaves", LEAVES)
    project.app("well")
    server = serve()
    assert server.get("/well/").text == "well"

    for _ in range(3):
        with contextlib.suppress(OSError, http.client.HTTPException):
            server.get(path)
        until(lambda: _is_well(server), "the worker is replaced")
    assert server.process.poll() is None
    assert "Shutting down: Master" not in server.lines()


def test_workers_that_end_before_they_serve_are_replaced_after_a_pause(
    project: Project, serve: Serve
) -> None:
    project.app("leaves", "import os\nos._exit(3)\n")
    project.app("well")
    server = serve()

    until(lambda: server.lines().count("ended before they served") >= 2, "two tries are over")
    assert server.process.poll() is None
    project.app("leaves")
    until(lambda: _is_well(server), "the mended app is served, and its neighbour")
    assert server.get("/leaves/").text == "leaves"
    assert server.lines().count("Booting worker") < 8


def _is_well(server: Server) -> bool:
    try:
        return server.get("/well/").text == "well"
    except (OSError, http.client.HTTPException):
        return False
