"""A line for each request of a real gunicorn: what it was, when it came and how long it took."""

from __future__ import annotations

import contextlib
import datetime
import http.client
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.running import PATIENCE, Project, Serve, Server, until

WAITING = """
    import threading, time
    from flask import Flask
    from config import configure_app

    def create_app(overrides=None):
        app = Flask(__name__)
        configure_app(app, overrides)

        @app.get("/until-another-waits")
        def until_another_waits():
            open("has-begun", "w").close()
            pool = threading.current_thread()._target.__self__
            while not pool.are_waiting:
                time.sleep(0.001)
            began = time.monotonic()
            while time.monotonic() < began + 0.05:
                time.sleep(0.001)
            return {"kept waiting": time.monotonic() - began}

        @app.get("/brief")
        def brief():
            time.sleep(0.05)
            return "brief"

        @app.get("/")
        def index():
            return "at last"

        return app
"""


def access_lines(server: Server, request_id: str = "") -> list[dict[str, Any]]:
    return [each for each in server.entries(request_id) if each["logger"] == "rowhouse.access"]


def test_a_request_begins_before_a_thread_has_time_for_it(project: Project, serve: Serve) -> None:
    project.app("well", WAITING)
    server = serve("--threads=1")
    with ThreadPoolExecutor(2) as clients:
        first = clients.submit(server.get, "/well/until-another-waits")
        until((project.root / "has-begun").exists, "the one thread is taken")
        assert clients.submit(server.get, "/well/", X_Request_ID="abcdefgh").result().status == 200
    kept_waiting = first.result().json["kept waiting"] * 1e3
    until(lambda: bool(access_lines(server, "abcdefgh")), "it is logged")
    [line] = access_lines(server, "abcdefgh")
    assert line["duration_ms"] >= line["waited_ms"] >= kept_waiting - 0.001


def test_a_request_begins_after_the_one_before_on_its_connection(
    project: Project, serve: Serve
) -> None:
    project.app("well", WAITING)
    server = serve()
    kept = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    with contextlib.closing(kept):
        for request_id in ("abcdefg1", "abcdefg2"):
            kept.request("GET", "/well/", headers={"X-Request-ID": request_id})
            assert kept.getresponse().read() == b"at last"
            if request_id == "abcdefg1":
                assert server.get("/well/brief", X_Request_ID="between0").text == "brief"
    until(lambda: bool(access_lines(server, "abcdefg2")), "it is logged")

    def begin(request_id: str) -> float:
        [line] = access_lines(server, request_id)
        ended = datetime.datetime.fromisoformat(line["time"]).timestamp()
        return ended - float(line["duration_ms"]) / 1e3

    assert begin("abcdefg2") >= begin("between0") + 0.045


def test_one_line_for_each_request(project: Project, serve: Serve) -> None:
    project.app("well")
    server = serve()
    assert server.get("/well/", X_Request_ID="abcdefgh").status == 200
    until(lambda: bool(access_lines(server, "abcdefgh")), "it is logged")
    [line] = access_lines(server, "abcdefgh")
    known = {key: line[key] for key in ("level", "request_id", "app", "client", "method", "path")}
    assert known == {
        "level": "info",
        "request_id": "abcdefgh",
        "app": "well",
        "client": "127.0.0.1",
        "method": "GET",
        "path": "/well/",
    }
    assert (line["status"], line["bytes"]) == (200, 4)
    assert {"time", "duration_ms", "waited_ms", "cpu_ms"} <= line.keys()
