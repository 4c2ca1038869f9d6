"""``rowhouse serve --with-worker``, and a look at its processes and its data."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.running import PATIENCE, Project, children, clean_environment, lines_in

LISTENS = "the worker listens to"


class Beside:
    """``rowhouse serve --with-worker``. The test holds the listening socket."""

    def __init__(
        self, project: Project, *options: str, environ: Mapping[str, str] | None = None
    ) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.log = project.root / "beside.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "dispatcher", "serve", *options),
                    *("--bind", f"fd://{self.listener.fileno()}", "--workers", "1"),
                    "--no-control-socket",
                ],
                cwd=project.root,
                env={
                    **clean_environment(),
                    "ROWHOUSE_SWEEP_EVERY": "0.3",
                    "PYTHONPATH": str(project.root),
                    **(environ or {}),
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[self.listener.fileno()],
                start_new_session=True,
            )
        self.seen: set[int] = set()

    def lines(self) -> str:
        return lines_in(self.log)

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


def rows(project: Project, name: str, query: str) -> list[tuple[object, ...]]:
    path = project.root / "instance" / f"{name}.sqlite3"
    with contextlib.closing(sqlite3.connect(path, timeout=30)) as connection:
        return connection.execute(query).fetchall()
