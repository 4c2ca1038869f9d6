"""The operator closes a mount: every worker says so, a restart changes nothing."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal

from tests.running import PATIENCE, Project, Serve, Server, until

WHO = """
    import os
    from flask import Flask
    from config import configure_app

    def create_app(overrides=None):
        app = Flask(__name__)
        configure_app(app, overrides)
        app.add_url_rule("/", "index", lambda: str(os.getpid()), methods=["GET", "POST"])
        return app
"""


class Line:
    """A connection that is kept alive, so that one worker answers all that is asked on it."""

    def __init__(self, server: Server) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
        self.worker = int(self.ask("/open/")[1])

    def ask(self, path: str, method: str = "GET") -> tuple[int, str]:
        body = b"x" * 1000 if method == "POST" else None
        self.connection.request(method, path, body)
        response = self.connection.getresponse()
        return response.status, response.read().decode()

    def wait_for(self, status: int) -> None:
        until(lambda: self.ask("/closed/")[0] == status, f"worker {self.worker} answers {status}")


def line_to_each(server: Server, stack: contextlib.ExitStack) -> list[Line]:
    """Return a line to each of the two workers."""
    lines: dict[int, Line] = {}

    def reached_both() -> bool:
        # Many at once: a worker that has enough to do leaves the next one to the other.
        for line in [Line(server) for _ in range(8)]:
            stack.callback(line.connection.close)
            lines.setdefault(line.worker, line)
        return len(lines) == 2

    until(reached_both, "a connection to each of two workers")
    return list(lines.values())


def test_every_worker_closes_a_mount_until_it_is_switched_off(
    project: Project, serve: Serve
) -> None:
    project.app("open", WHO)
    project.app("closed", WHO, "owner = 'Team'\ncontact = 't@example.com'\n")

    with contextlib.ExitStack() as stack:
        server = serve("--keep-alive=60", workers=2)
        lines = line_to_each(server, stack)
        for line in lines:
            assert line.ask("/closed/") == (200, str(line.worker))
        assert project.rowhouse("maintenance", "closed", "on", "--message", "Noon").returncode == 0
        for line in lines:
            line.wait_for(503)
            assert json.loads(line.ask("/closed/")[1])["detail"] == "Noon"
            assert line.ask("/closed/", "HEAD") == (503, "")
            assert line.ask("/closed/", "POST")[0] == 503
            assert line.ask("/open/") == (200, str(line.worker))

    server.stop()
    with contextlib.ExitStack() as stack:
        server = serve("--keep-alive=60", workers=2)
        first = server.get("/closed/")
        assert (first.status, first.headers["Retry-After"]) == (503, "60")
        assert first.json["contact"] == "t@example.com"
        assert server.states() == {"open": "up", "closed": "maintenance"}
        lines = line_to_each(server, stack)
        for line in lines:
            assert line.ask("/closed/")[0] == 503
        assert project.rowhouse("maintenance", "closed", "off").returncode == 0
        for line in lines:
            line.wait_for(200)
            assert line.ask("/closed/", "POST") == (200, str(line.worker))


def test_a_worker_that_is_forked_from_a_preloaded_host_closes_it_too(
    project: Project, serve: Serve
) -> None:
    project.app("closed", WHO)
    server = serve("--preload")
    pid = int(server.get("/closed/").text)
    assert project.rowhouse("maintenance", "closed", "on", "--message", "Noon").returncode == 0
    os.kill(pid, signal.SIGKILL)
    until(lambda: server.workers() not in ({pid}, set()), "the worker is replaced")
    assert server.get("/closed/").status == 503
