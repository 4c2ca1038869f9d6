"""HUP serves new code and new settings, or keeps the last good ones, and loses no request."""

from __future__ import annotations

import http.client
import os
import signal
import threading
from functools import partial

import pytest

from tests.running import SOUND, Project, Serve, Server, until

TELLING = """
    import logging

    from flask import Flask, current_app
    from config import configure_app

    def create_app(overrides=None):
        app = Flask(__name__)
        configure_app(app, overrides)

        @app.get("/")
        def index():
            logging.getLogger("idle").warning("as its app says")
            return current_app.config["APPLICATION_ROOT"]

        return app
"""


def replaced(server: Server, old: set[int]) -> bool:
    now = server.workers()
    return len(now) == 2 and not old & now


def hang_up(server: Server) -> None:
    server.process.send_signal(signal.SIGHUP)


def test_new_code_of_apps_and_of_the_host_is_served(project: Project, serve: Serve) -> None:
    project.app("well")
    server = serve()
    assert server.get("/well/").text == "well"

    project.app("well", SOUND.format(said="better"))
    project.app("added")
    pages = project.root / "shared_utils" / "hosting" / "pages.py"
    pages.write_text(pages.read_text().replace('Response("live\\n"', 'Response("alive\\n"'))
    hang_up(server)

    until(lambda: server.get("/well/").text == "better", "the app's new code")
    assert server.get("/added/").text == "added"
    assert server.get("/-/live").text == "alive\n"


@pytest.mark.parametrize(
    ("file", "text", "complaint"),
    [
        ("rowhouse.toml", "[mounts.well\n", "rowhouse.toml:1:13: not TOML"),
        ("rowhouse.toml", "[host]\nslot = 3\n", 'host.slot: unknown key; write "slots"'),
        ("instance/config.py", "SECRET_KEY = 'one for all'\n", "would give all apps one key"),
        ("instance/config.py", "1 / 0\n", "running it raised ZeroDivisionError"),
        ("config.py", "def load_settings(:\n", "SyntaxError"),
        ("shared_utils/hosting/row.py", "import sys\nsys.exit(3)\n", "SystemExit"),
        ("shared_utils/hosting/worker.py", "def accept(:\n", "SyntaxError"),
    ],
    ids=["syntax", "unknown key", "one key for all", "config.py", "host", "host exits", "worker"],
)
def test_the_last_good_settings_stay(
    project: Project, serve: Serve, file: str, text: str, complaint: str
) -> None:
    project.app("well")
    project.operator('[mounts.well]\nprefix = "/good"\n')
    server = serve()
    assert server.get("/good/").text == "well"
    good = (project.root / file).read_text() if (project.root / file).exists() else ""

    project.app("well", SOUND.format(said="new"))
    (project.root / file).write_text(text)
    hang_up(server)
    until(lambda: server.get("/good/").text == "new", "new workers, with the last good settings")
    assert server.process.poll() is None
    log = server.lines().replace('\\"', '"')
    assert "the last good code and settings stay" in log
    assert complaint in log
    assert "one for all" not in log

    # A worker that is replaced later does not read the wrong file either.
    until(lambda: len(server.workers()) == 1, "the old worker is gone")
    [worker] = server.workers()
    os.kill(worker, signal.SIGKILL)
    until(lambda: server.workers() not in ({worker}, set()), "the worker is replaced")
    assert server.get("/good/").text == "new"

    (project.root / file).write_text(good)
    project.operator('[mounts.well]\nprefix = "/other"\n')
    hang_up(server)
    until(lambda: server.get("/other/").status == 200, "the mended settings")


def test_a_reload_loses_no_request(project: Project, serve: Serve) -> None:
    project.app("well")
    server = serve(workers=2)
    assert server.get("/well/").status == 200
    stop = threading.Event()
    failures: list[object] = []
    answered = [0, 0, 0, 0]

    def fresh(number: int) -> None:
        while not stop.is_set():
            try:
                answer = server.get("/well/")
                if answer.status != 200:
                    failures.append(answer)
                answered[number] += 1
            except (OSError, http.client.HTTPException) as error:
                failures.append(error)

    def all_went_on(seen: list[int]) -> bool:
        return all(now > then for now, then in zip(answered, seen, strict=True))

    clients = [threading.Thread(target=fresh, args=[number]) for number in range(len(answered))]
    for client in clients:
        client.start()
    for _ in range(3):
        old, seen = server.workers(), list(answered)
        hang_up(server)
        until(partial(replaced, server, old), "both workers are new")
        until(partial(all_went_on, seen), "every client is answered by them")
    stop.set()
    for client in clients:
        client.join()

    assert failures == []


def test_a_reload_of_a_preloaded_host_keeps_its_code_whole(project: Project, serve: Serve) -> None:
    project.app("idle", TELLING, 'load = "lazy"\n')
    server = serve("--preload", workers=2)
    until(lambda: len(server.workers()) == 2, "both workers")
    before = server.workers()
    hang_up(server)
    until(lambda: replaced(server, before), "new workers")
    until(lambda: server.get("/idle/").text == "/idle", "it is built as one of a row")
    server.get("/idle/", X_Request_ID="abcdefgh")
    until(lambda: "abcdefgh" in server.lines(), "its line is written")
    told = [each for each in server.entries() if each["message"] == "as its app says"]
    assert {line["app"] for line in told} == {"idle"}
    assert "abcdefgh" in {line["request_id"] for line in told}
    assert "a reload serves the old code and settings" in server.lines()
