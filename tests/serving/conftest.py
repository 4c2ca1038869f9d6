"""A project of the test's own, real gunicorn that serves it, and a real browser."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.raw import Client
from tests.requirements import needed
from tests.running import PATIENCE, Project, Serve, Server
from tests.serving.siblings import Gate

if TYPE_CHECKING:
    from playwright.sync_api import Browser


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


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Give Chromium, as the system has it."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE * 1000)
    chromium = needed(shutil.which("chromium"), "Chromium")
    with sync_playwright() as playwright:
        # Chromium's own sandbox needs a user that is not root.
        made = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield made
        made.close()


@pytest.fixture
def gate(project: Project, serve: Serve) -> Iterator[Gate]:
    made = Gate(project)
    yield made
    made.close()


@pytest.fixture
def clients() -> Iterator[Callable[..., list[Client]]]:
    """Return a function that connects clients which have sent their requests, and read nothing."""
    with contextlib.ExitStack() as stack:

        def sent(server: Server, *requests: bytes, buffer: int | None = None) -> list[Client]:
            return [
                stack.enter_context(Client(server.port, buffer=buffer)).send(each)
                for each in requests
            ]

        yield sent
