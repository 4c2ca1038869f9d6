"""gunicorn and a task worker beside each other, as ``make serve`` runs them."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.running import PATIENCE, Project, until
from tests.serving.stepping import write_stepping

LISTENS = "the worker listens to"


class Beside:
    """``rowhouse serve --with-worker``. The test holds the listening socket."""

    def __init__(self, project: Project, *options: str) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.log = project.root / "beside.log"
        kept = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("ROWHOUSE_", "FLASK_", "GUNICORN_", "WEB_", "PYTEST", "PYTHON"))
        }
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "dispatcher", "serve", *options),
                    *("--bind", f"fd://{self.listener.fileno()}", "--workers", "1"),
                    "--no-control-socket",
                ],
                cwd=project.root,
                env=kept | {"ROWHOUSE_SWEEP_EVERY": "0.3", "PYTHONPATH": str(project.root)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[self.listener.fileno()],
                start_new_session=True,
            )
        self.seen: set[int] = set()

    def lines(self) -> str:
        return self.log.read_text()

    def programs(self) -> dict[str, int]:
        """Return the processes that the supervisor runs, by what they are."""
        found = {}
        for pid in children(self.process.pid):
            with contextlib.suppress(FileNotFoundError):
                command = Path(f"/proc/{pid}/cmdline").read_bytes()
                found["worker" if b"celery" in command else "gunicorn"] = pid
                self.seen |= {pid, *children(pid)}
        return found

    def ask(self, method: str, path: str) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        with contextlib.closing(connection):
            connection.request(method, path, headers={"Accept": "application/json"})
            return json.loads(connection.getresponse().read())

    def stop(self) -> None:
        self.programs()
        self.listener.close()
        self.process.kill()
        self.process.wait()
        for pid in self.seen:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def children(pid: int) -> list[int]:
    with contextlib.suppress(FileNotFoundError):
        tasks = Path(f"/proc/{pid}/task").iterdir()
        return [int(kid) for task in tasks for kid in (task / "children").read_text().split()]
    return []


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.fixture
def start(project: Project) -> Iterator[Callable[..., Beside]]:
    made: list[Beside] = []

    def started(*options: str) -> Beside:
        made.append(Beside(project, *options))
        return made[-1]

    yield started
    for beside in made:
        beside.stop()


@pytest.fixture
def stepping(project: Project) -> None:
    write_stepping(project, steps=3)
    subprocess.run(
        [sys.executable, "enqueue.py", "0"],
        cwd=project.root,
        env=os.environ | {"PYTHONPATH": str(project.root)},
        check=True,
        timeout=PATIENCE,
    )


def do_a_job(beside: Beside) -> None:
    job = beside.ask("POST", "/steps/jobs")
    path = f"/steps/jobs/{job['id']}"
    until(lambda: bool(beside.ask("GET", path)["state"] == "done"), "the job is done")


@pytest.mark.usefixtures("stepping")
def test_each_is_started_again_and_ctrl_c_ends_all(start: Callable[..., Beside]) -> None:
    beside = start("--with-worker")
    until(lambda: LISTENS in beside.lines(), "the worker")
    do_a_job(beside)
    before = beside.programs()

    os.kill(before["worker"], signal.SIGKILL)
    until(lambda: beside.lines().count(LISTENS) == 2, "another worker")
    do_a_job(beside)
    now = beside.programs()
    assert now["gunicorn"] == before["gunicorn"]
    assert now["worker"] != before["worker"]

    os.kill(now["gunicorn"], signal.SIGKILL)
    until(lambda: beside.programs().get("gunicorn") not in (None, now["gunicorn"]), "gunicorn")
    do_a_job(beside)
    assert beside.programs()["worker"] == now["worker"]

    beside.programs()
    beside.process.send_signal(signal.SIGINT)
    assert beside.process.wait(PATIENCE) == 0
    until(lambda: all(map(is_gone, beside.seen)), "nothing is left")


@pytest.mark.usefixtures("stepping")
@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_nothing_is_left_when_the_supervisor_is_killed(start: Callable[..., Beside]) -> None:
    beside = start("--with-worker")
    until(lambda: LISTENS in beside.lines(), "the worker")
    do_a_job(beside)
    beside.programs()
    assert len(beside.seen) >= 4, "two programs, and what each has begun"
    beside.process.kill()
    until(lambda: all(map(is_gone, beside.seen)), "nothing is left")


@pytest.mark.usefixtures("stepping")
def test_without_a_worker_the_page_can_say_that_jobs_wait(start: Callable[..., Beside]) -> None:
    alone = start()
    until(lambda: "Listening at" in alone.lines(), "gunicorn")
    job = alone.ask("POST", "/steps/jobs")
    assert job["worker"] is False
    assert alone.ask("GET", f"/steps/jobs/{job['id']}")["state"] == "queued"

    beside = start("--with-worker")
    until(lambda: LISTENS in beside.lines(), "the worker")
    path = f"/steps/jobs/{job['id']}"
    until(lambda: bool(alone.ask("GET", path)["state"] == "done"), "it waited for one")
    assert alone.ask("POST", "/steps/jobs")["worker"] is True


def test_without_tasks_gunicorn_runs_alone_and_a_line_says_why(
    project: Project, start: Callable[..., Beside]
) -> None:
    project.app("well", "from flask import Flask\ndef create_app(): return Flask(__name__)\n")
    beside = start("--with-worker")
    until(lambda: "Listening at" in beside.lines(), "gunicorn")
    assert "no worker is started: no tasks: no app has a tasks.py" in beside.lines()
    assert list(beside.programs()) == ["gunicorn"]
