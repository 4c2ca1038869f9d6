"""gunicorn and a task worker beside each other, as ``make serve`` runs them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from tests.running import PATIENCE, Project, clean_environment, is_gone, until
from tests.serving.beside import LISTENS, Beside
from tests.serving.stepping import write_stepping


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
        env=clean_environment() | {"PYTHONPATH": str(project.root)},
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
    why = "no worker is started: no tasks: no app has a tasks.py"
    until(lambda: why in beside.lines(), "it says why")
    assert list(beside.programs()) == ["gunicorn"]
