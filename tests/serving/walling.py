"""What tests of the walls share, where they stand around real apps in a real gunicorn."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from tests.raw import Client
from tests.running import Server, until

PATIENT = """
    [host.limits]
    queue_timeout = 600.0
    deadline = 0.0
"""
SMALL = f"""
    [host]
    slots = 8
    threads = 32
    {PATIENT}
"""

SLOW = """
    import time

    from flask import Flask, Response, request
    from config import configure_app

    def create_app(overrides=None):
        app = Flask(__name__)
        configure_app(app, overrides)

        def spin():
            while True:
                time.sleep(0.01)

        app.add_url_rule("/spin", "spin", spin)

        @app.post("/echo")
        def echo():
            return request.get_data()

        @app.get("/stream")
        def stream():
            def chunks():
                yield "one"
                spin()
            length = {"Content-Length": "9"} if "length" in request.args else {}
            return Response(chunks(), headers=length)

        @app.errorhandler(Exception)
        def never(error):
            return "the app has caught it"

        return app
"""


Clients = Callable[..., list[Client]]


_ids = itertools.count(1)


def new_id() -> str:
    return f"request-{next(_ids):04}"


def errors(server: Server, request_id: str) -> list[str]:
    """Return what the log says went wrong in one request."""
    said = server.entries(request_id)
    return [entry["message"] for entry in said if entry["level"] == "error"]


def only_error(server: Server, request_id: str) -> str:
    """Wait until the log says what went wrong in a request, once; return that."""
    until(lambda: bool(errors(server, request_id)), "the log tells of it")
    [error] = errors(server, request_id)
    return error


def load(server: Server, name: str) -> tuple[int, int, int]:
    """Return the requests of a mount that run and are parked, and the threads that it holds."""
    told = server.get("/-/ready").json["mounts"][name]
    return told["running"], told["parked"], told["threads"]


def until_at_rest(server: Server, *names: str) -> None:
    """Wait until these mounts hold nothing: a response is there a moment before it is over."""
    until(lambda: all(load(server, name) == (0, 0, 0) for name in names), "all is given back")
