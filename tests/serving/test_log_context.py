"""A request's id, app and trace are on every line that it causes: in threads, and in tasks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.raw import Client
from tests.running import Project, Serve, clean_environment, entries, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TRACE = "0af7651916cd43dd8448eb211c80319c"

WORKER = ("-m", "celery", "-A", "shared_utils.tasks", "worker", "--loglevel=INFO")

APP = """
    import logging
    import threading
    from concurrent.futures import ThreadPoolExecutor
    from flask import Flask
    from config import configure_app

    logger = logging.getLogger(__name__)
    pool = ThreadPoolExecutor(1)

    def create_app(overrides=None):
        app = Flask(__name__)
        configure_app(app, overrides)

        @app.get("/")
        def index():
            from apps.well.tasks import tell
            logger.info("from the view")
            thread = threading.Thread(target=logger.info, args=["from a thread"])
            thread.start()
            thread.join()
            pool.submit(logger.info, "from a pool").result()
            tell.ring()
            return "told"

        @app.get("/fail")
        def fail():
            raise ValueError("one\\n2026-01-01 00:00:00.000 INFO two")

        return app
"""
TASKS = """
    import logging
    import threading
    from shared_utils.tasks import task

    logger = logging.getLogger(__name__)

    @task("well")
    def tell():
        logger.info("from the task")
        thread = threading.Thread(target=logger.info, args=["from a thread of the task"])
        thread.start()
        thread.join()
        raise ValueError("from a task that fails")
"""


@pytest.fixture
def worker(project: Project) -> Iterator[Path]:
    pytest.importorskip("celery")
    module = project.app("well", APP)
    project.write(module.with_name("tasks.py"), TASKS)
    log = project.root / "worker.log"
    with log.open("ab") as written:
        process = subprocess.Popen(
            [sys.executable, *WORKER],
            cwd=project.root,
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=written,
            start_new_session=True,
        )
    yield log
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def failures(log: Path) -> list[dict[str, Any]]:
    said = entries(log.read_text())
    return [each for each in said if "a task that fails" in each.get("traceback", "")]


def test_threads_and_tasks_of_a_request(project: Project, worker: Path, serve: Serve) -> None:
    server = serve()
    told = server.get("/well/", X_Request_ID="abcdefgh", traceparent=f"00-{TRACE}-{'b' * 16}-01")
    assert told.text == "told"
    until(lambda: bool(failures(worker)), "the task has run")
    lines = server.entries() + entries(worker.read_text())
    for message in (
        *("from the view", "from a thread", "from a pool"),
        *("from the task", "from a thread of the task"),
    ):
        [line] = [line for line in lines if line["message"] == message]
        assert (line["request_id"], line["app"]) == ("abcdefgh", "well"), message
        assert line["trace_id"] == TRACE, message
    [failed] = failures(worker)
    assert (failed["request_id"], failed["app"]) == ("abcdefgh", "well")
    before = worker.read_text().partition("received")[0].splitlines()[:-1]
    assert len(before) == 1, "a worker starts with one line"


def test_a_failure_is_one_line(project: Project, serve: Serve) -> None:
    project.app("well", APP)
    server = serve()
    assert server.get("/well/fail").status == 500
    until(lambda: "GET /well/fail 500" in server.lines(), "it is logged")
    [line] = [line for line in server.entries() if "traceback" in line]
    assert line["app"] == "well"
    assert line["traceback"].endswith("ValueError: one\n2026-01-01 00:00:00.000 INFO two")


def test_what_is_no_request_is_not_logged_as_the_one_before(project: Project, serve: Serve) -> None:
    project.app("well", APP)
    server = serve("--threads=1")
    assert server.get("/well/fail", X_Request_ID="abcdefgh").status == 500
    with Client(server.port) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: x\r\nBad Header: x\r\n\r\n")
        assert client.answer().status == 400
    until(lambda: "Invalid request" in server.lines(), "it is logged")
    [line] = [line for line in server.entries() if "Invalid request" in line["message"]]
    assert "app" not in line
    assert "request_id" not in line
