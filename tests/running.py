"""Real gunicorn, in a project of the test's own, over real HTTP on a free loopback port."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[1]
PATIENCE = 60.0
"""Seconds that a test waits for what has to come, on a machine that is busy with others."""

SOUND = """
    from flask import Flask
    from config import configure_app

    def create_app(overrides=None):
        app = Flask(__name__)
        configure_app(app, overrides)
        app.add_url_rule("/", "index", lambda: {said!r})
        return app
"""


@dataclasses.dataclass(frozen=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


class Project:
    """A copy of the host in a folder of its own, with apps of the test's making."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("config.py", "dispatcher.py", "gunicorn.conf.py"):
            shutil.copy(REPOSITORY / name, root / name)
        shutil.copytree(
            REPOSITORY / "shared_utils",
            root / "shared_utils",
            ignore=shutil.ignore_patterns("__pycache__"),
        )
        (root / "apps").mkdir()
        (root / "apps" / "__init__.py").touch()

    def copy_app(self, name: str) -> None:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(REPOSITORY / "apps" / name, self.root / "apps" / name, ignore=ignored)

    def app(self, name: str, code: str | None = None, manifest: str = "") -> Path:
        """Write an app; without code, a sound one that says its name."""
        folder = self.root / "apps" / name
        folder.mkdir(exist_ok=True)
        (folder / "app.toml").write_text(textwrap.dedent(manifest))
        module = folder / "__init__.py"
        module.write_text(textwrap.dedent(code or SOUND.format(said=name)))
        return module

    def write(self, path: Path, text: str) -> None:
        path.write_text(textwrap.dedent(text))

    def operator(self, text: str) -> None:
        (self.root / "rowhouse.toml").write_text(textwrap.dedent(text))

    def rowhouse(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run a command as a person types it."""
        return subprocess.run(
            [sys.executable, "-m", "dispatcher", *arguments],
            cwd=self.root,
            env=clean_environment() | environ,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )


def clean_environment() -> dict[str, str]:
    """Return this process's environment without what steers servers, Python, make or tests."""
    servers = ("ROWHOUSE_", "FLASK_", "GUNICORN_", "WEB_", "OTEL_", "PROMETHEUS_")
    steering = (*servers, "PYTHON", "PYTEST", "MAKE")
    return {key: value for key, value in os.environ.items() if not key.startswith(steering)}


class Server:
    """gunicorn in a project's folder. The test holds the listening socket, so no port is raced."""

    def __init__(
        self, project: Project, *options: str, workers: int = 1, environ: Mapping[str, str] | None
    ) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.log = project.root / "server.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "gunicorn"),
                    f"--bind=fd://{self.listener.fileno()}",
                    f"--workers={workers}",
                    "--no-control-socket",
                    *options,
                ],
                cwd=project.root,
                env=clean_environment() | dict(environ or {}),
                pass_fds=[self.listener.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def get(self, path: str, method: str = "GET", **headers: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        with contextlib.closing(connection):
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, headers=named)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read().decode())

    def entries(self, request_id: str = "") -> list[dict[str, Any]]:
        """Return the log's entries; with an id, those of that request."""
        found = entries(self.lines())
        return [each for each in found if not request_id or each.get("request_id") == request_id]

    def states(self) -> dict[str, str]:
        return {name: told["state"] for name, told in self.get("/-/ready").json["mounts"].items()}

    def lines(self) -> str:
        return lines_in(self.log)

    def workers(self) -> set[int]:
        assert self.process.poll() is None, "the master runs"
        return set(children(self.process.pid))

    def stop(self) -> None:
        self.listener.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()


Serve = Callable[..., Server]


def lines_in(log: Path) -> str:
    """Return the whole lines of a log; the last may be half written at any moment."""
    return whole(log.read_text())


def whole(text: str) -> str:
    return text[: text.rfind("\n") + 1]


def entries(text: str) -> list[dict[str, Any]]:
    """Return what whole lines of a log say as JSON; the others are left out."""
    return [json.loads(line) for line in whole(text).splitlines() if line.startswith("{")]


def children(pid: int) -> list[int]:
    """Return the processes that a process has begun, and not yet seen end."""
    found: list[int] = []
    with contextlib.suppress(FileNotFoundError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread that ends
                found += map(int, (task / "children").read_text().split())
    return found


def is_gone(pid: int) -> bool:
    """Say whether a process has ended, though its parent may not have seen it yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def until(holds: Callable[[], bool], what: str) -> None:
    """Wait for something that another process does, and has no other way to tell."""
    given_up = time.monotonic() + PATIENCE
    pause = threading.Event()
    while not holds():
        assert time.monotonic() < given_up, f"waited {PATIENCE:g} s for: {what}"
        pause.wait(0.05)


def downs(log: str, name: str) -> int:
    """Count the tries of one app that the log tells of."""
    return len(re.findall(rf"\b{name} is down: ", log))
