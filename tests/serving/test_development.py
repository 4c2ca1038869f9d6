"""Flask's own commands work over all mounts: run with reloader and debugger, and routes."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running import PATIENCE, REPOSITORY, SOUND, Answer, Project, clean_environment, until

CRASHES = """
    import os
    from flask import Flask
    from config import configure_app

    def create_app(overrides=None):
        with open("builders", "a") as file:
            print(os.getpid(), file=file)
        app = Flask(__name__)
        configure_app(app, overrides)
        app.add_url_rule("/", "index", lambda: 1 / 0)
        return app
"""

COMMANDS = {
    "flask run": [sys.executable, "-m", "flask", "run", "--debug"],
    "rowhouse run": [sys.executable, "-m", "dispatcher", "run", "--debug"],
    "python -m dispatcher": [sys.executable, "-m", "dispatcher"],
}


def environment() -> dict[str, str]:
    return clean_environment() | {"PYTHONUNBUFFERED": "1"}


@pytest.fixture(params=list(COMMANDS.values()), ids=list(COMMANDS))
def running(project: Project, request: pytest.FixtureRequest) -> Iterator[Path]:
    (project.root / ".flaskenv").write_text((REPOSITORY / ".flaskenv").read_text())
    project.app("well")
    project.app("crash", CRASHES)
    project.app("sick", "raise RuntimeError\n")
    project.operator("")
    log = project.root / "run.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            request.param,
            cwd=project.root,
            env=environment() | {"FLASK_RUN_PORT": "0", "FLASK_DEBUG": "1"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield log
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)


def get(port: int, path: str) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    with contextlib.closing(connection):
        connection.request("GET", path, headers={"Accept": "text/html"})
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read().decode())


def port_of(log: Path) -> int:
    """Return the port that the development server has got."""
    told = re.compile(r"Running on http://127\.0\.0\.1:(\d+)")
    until(lambda: told.search(log.read_text()) is not None, "the development server listens")
    found = told.search(log.read_text())
    assert found is not None
    return int(found[1])


def answers(port: int, path: str, text: str) -> bool:
    try:
        return text in get(port, path).text
    except (OSError, http.client.HTTPException):
        return False  # the reloader ends the old process wherever it is


def test_development_server_reloads_and_debugs_over_all_mounts(
    running: Path, project: Project
) -> None:
    port = port_of(running)
    until(lambda: answers(port, "/well/", "well"), "the development server answers")

    assert "Werkzeug Debugger" in get(port, "/crash/").text
    assert "ZeroDivisionError" in get(port, "/crash/").text
    assert get(port, "/sick/").status == 503
    builders = (project.root / "builders").read_text().split()
    assert len(builders) == 1, "the reloader's parent builds nothing"

    project.app("well", SOUND.format(said="better"))
    until(lambda: answers(port, "/well/", "better"), "the reloader serves the new code")
    assert re.search("Detected change in .*well", running.read_text())


def routes_of(project: Project, app: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "flask", "--app", app, "routes"],
        cwd=project.root,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE,
    ).stdout


def test_flask_routes_lists_the_rules_of_all_mounts(project: Project) -> None:
    project.app("well")
    project.app("idle", manifest='load = "lazy"\n')
    project.app("sick", "raise RuntimeError\n")
    listing = routes_of(project, "dispatcher")

    rules = {line.split()[0]: line.split()[-1] for line in listing.splitlines()[2:]}
    assert rules["well:index"] == "/well/"
    assert rules["idle:index"] == "/idle/"
    assert rules["host.ready"] == "/-/ready"
    assert not any(endpoint.startswith("sick") for endpoint in rules)


def test_an_app_runs_alone_under_flask(project: Project) -> None:
    project.app("well")
    project.app("neighbour", manifest="prefix = 7\n")
    listing = routes_of(project, "apps.well")
    assert "/-/live" in listing
