"""A project of the test's own, and real gunicorn that serves it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.running import Project, Serve, Server
from tests.serving.siblings import Gate


@pytest.fixture
def project(tmp_path: Path) -> Project:
    root = tmp_path / "project"
    root.mkdir()
    return Project(root)


@pytest.fixture
def serve(project: Project) -> Iterator[Serve]:
    servers: list[Server] = []

    def start(*options: str, workers: int = 1, environ: Mapping[str, str] | None = None) -> Server:
        servers.append(Server(project, *options, workers=workers, environ=environ))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def gate(project: Project, serve: Serve) -> Iterator[Gate]:
    made = Gate(project)
    yield made
    made.close()
