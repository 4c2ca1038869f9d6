"""Siblings that live badly, as source, and what is needed to live with them."""

from __future__ import annotations

import os

from tests.running import Project

RAISES = """
    import asyncio
    import errno
    import sys

    from gunicorn.http.errors import NoMoreData

    class Unspeakable(BaseException):
        def __str__(self):
            raise SystemExit(3)

    def deep():
        return deep() + 1

    def upstream():
        raise ConnectionResetError(errno.ECONNRESET, "an upstream has gone")

    def raised(error):
        raise error

    FAILURES = {
        "ValueError": lambda: int("x"),
        "SystemExit": lambda: sys.exit(3),
        "KeyboardInterrupt": lambda: raised(KeyboardInterrupt()),
        "GeneratorExit": lambda: raised(GeneratorExit()),
        "CancelledError": lambda: raised(asyncio.CancelledError()),
        "MemoryError": lambda: raised(MemoryError()),
        "RecursionError": deep,
        "ConnectionResetError": upstream,
        "BrokenPipeError": lambda: raised(BrokenPipeError(errno.EPIPE, "an upstream has gone")),
        "NoMoreData": lambda: raised(NoMoreData()),
        "StopIteration": lambda: raised(StopIteration()),
        "BaseExceptionGroup": lambda: raised(BaseExceptionGroup("all", [SystemExit(3)])),
        "Unspeakable": lambda: raised(Unspeakable()),
    }

    class Body:
        def __init__(self, where, fail):
            self.where, self.fail = where, fail
            self.chunks = iter(["first", "later", "last"])

        def __iter__(self):
            return self

        def __next__(self):
            chunk = next(self.chunks)
            if chunk == self.where:
                self.fail()
            return chunk.encode()

        def close(self):
            if self.where == "close":
                self.fail()

    def application(environ, start_response):
        _, kind, where = environ["PATH_INFO"].split("/")
        fail, headers = FAILURES[kind], [("Content-Type", "text/plain")]
        if where == "call":
            fail()
        if environ["QUERY_STRING"] == "length":
            headers.append(("Content-Length", "14"))
        start_response("200 OK", headers)
        if where == "started":
            fail()
        return Body(where, fail)
"""
FAILURES = (
    *("ValueError", "SystemExit", "KeyboardInterrupt", "GeneratorExit", "CancelledError"),
    *("MemoryError", "RecursionError", "ConnectionResetError", "BrokenPipeError", "NoMoreData"),
    *("StopIteration", "BaseExceptionGroup", "Unspeakable"),
)

BREAKS_WSGI = """
    TEXT = [("Content-Type", "text/plain")]

    def answering(body, status="200 OK", headers=TEXT):
        def answer(environ, start_response):
            start_response(status, headers)
            return body
        return answer

    def twice(environ, start_response):
        start_response("200 OK", TEXT)
        start_response("200 OK", TEXT)
        return [b"x"]

    def replaces_too_late(environ, start_response):
        start_response("200 OK", TEXT)("text")
        return [b"x"]

    APPS = {
        "no_start": lambda environ, start_response: [b"x"],
        "no_start_empty": lambda environ, start_response: [],
        "none": answering(None),
        "number": answering(7),
        "text_body": answering(["text"]),
        "text_written": replaces_too_late,
        "chunk_none": answering([None]),
        "twice": twice,
        "status_number": answering([b"x"], status=200),
        "status_text": answering([b"x"], status="OK"),
        "status_lines": answering([b"x"], status="200 OK\\r\\nX-Split: 1"),
        "header_value": answering([b"x"], headers=[("X-Split", "1\\r\\nX-More: 2")]),
        "header_name": answering([b"x"], headers=[("X Split", "1")]),
        "header_number": answering([b"x"], headers=[("Content-Length", 1)]),
        "header_list": answering([b"x"], headers={"X": "1"}),
        "length": answering([b"x"], headers=[("Content-Length", "many")]),
        "too_short": answering([], headers=[("Content-Length", "9")]),
        "no_wsgi": lambda: [],
    }

    def application(environ, start_response):
        return APPS[environ["PATH_INFO"][1:]](environ, start_response)
"""
# Waits until the test has opened the gate, a FIFO: for each request one byte.
GATED = """
    import os

    from flask import Flask
    from config import configure_app

    def create_app(overrides=None):
        app = Flask(__name__)
        configure_app(app, overrides)

        @app.get("/wait/<name>")
        def wait(name):
            with open("gate", "rb", buffering=0) as gate:
                gate.read(1)
            with open("passed", "a") as passed:
                print(name, file=passed)
            return name

        @app.get("/large")
        def large():
            return bytes(5_000_000)

        @app.get("/stream")
        def stream():
            return (bytes(50_000) for _ in range(100))

        return app
"""


class Gate:
    """What requests to the gated app wait for."""

    def __init__(self, project: Project) -> None:
        self._path = project.root / "gate"
        os.mkfifo(self._path)
        self._file = os.open(self._path, os.O_RDWR)
        self._passed = project.root / "passed"

    def open(self, requests: int) -> None:
        """Let so many requests go on."""
        os.write(self._file, bytes(requests))

    @property
    def passed(self) -> list[str]:
        """Names of the requests that went through, in their order."""
        return self._passed.read_text().split() if self._passed.exists() else []

    def close(self) -> None:
        """Let all go on, now and later, so that the server can end."""
        self._path.unlink()
        self._path.touch()
        os.close(self._file)
