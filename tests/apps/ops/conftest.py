"""The console in a row, in this process: a real host, and somebody who looks at it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import Client, TestResponse

from shared_utils.hosting.inspection.answers import Answers
from shared_utils.hosting.inspection.recent import Recent
from shared_utils.hosting.pages import row_of
from shared_utils.hosting.row import Row
from shared_utils.identity.testing import sign_in
from shared_utils.sibling import EXTENSION, sibling_of
from tests.conftest import GREETER, ProjectFolder

FAILING = """
    from flask import Flask, request
    from config import configure_app

    def create_app(overrides=None):
        app = Flask(__name__)
        configure_app(app, overrides)
        app.config["API_TOKEN"] = "the secret of billing"

        @app.get("/<path:path>")
        def index(path):
            raise ValueError("no such <invoice>")

        return app
"""


class Quiet:
    """A process that is asked, but listens on no socket and has no thread."""

    pid = 4711

    def __init__(self, row: Row, folder: Path) -> None:
        self.folder = folder
        recent = Recent(row.mounts)
        row.recorder.finished.append(recent.note)
        self._answers = Answers(row, recent)
        self.asked: list[str] = []

    def answer(self, question: Mapping[str, Any]) -> dict[str, Any]:
        self.asked.append(question.get("ask", ""))
        answer = self._answers.answer(question)
        return answer | {"pid": self.pid} if "pid" in answer else answer


@dataclasses.dataclass
class Console:
    """An operator's browser, and the row that it looks at.

    Attributes:
        folder: ``instance/`` of the project.
        broken: the module of the app that is down.
    """

    host: Flask
    ops: Flask
    folder: Path
    broken: Path

    def client(self, *, roles: tuple[str, ...] | None = ("operator",)) -> Client:
        made = Client(self.host)
        if roles is not None:
            sign_in(made, "ann", roles=roles, app=self.ops)
        return made

    def get(self, path: str, **headers: str) -> TestResponse:
        headers = {"Accept": "text/html"} | {k.replace("_", "-"): v for k, v in headers.items()}
        return self.client().get(path, headers=headers, buffered=True)

    def act(self, path: str, **fields: str) -> TestResponse:
        """Fill in the form at ``path``, and send it."""
        client = self.client()
        page = client.get(path, headers={"Accept": "text/html"}, buffered=True)
        assert page.status_code == 200, page.text
        found = re.search(r'name="csrf_token" type="hidden" value="([^"]+)"', page.text)
        assert found
        return client.post(
            path,
            environ_overrides={"REMOTE_ADDR": "192.0.2.7"},
            data={"csrf_token": found[1]} | fields,
            headers={"Accept": "text/html"},
            follow_redirects=True,
            buffered=True,
        )


@pytest.fixture
def console(project: ProjectFolder) -> Console:
    return served(project)


def served(project: ProjectFolder) -> Console:
    """Serve the apps of a project, and some more, with the console among them."""
    project.manifest("ops", 'app = "apps.ops:create_app()"\ntitle = "Operations"')
    project.app("shop", GREETER, 'title = "Shop"\nowner = "team-shop"\ncontact = "s@example.com"')
    project.app("billing", FAILING, 'title = "Billing"')
    broken = project.app("broken", "import nothing_there", 'title = "Broken"\nowner = "<b>"')
    host = project.host()
    row = row_of(host)
    ops = row.mounts["ops"].flask_app
    assert ops is not None, row.mounts["ops"].failure
    ops.instance_path = str(project.root / "instance")
    (folder := project.root / "instance" / "run").mkdir()
    quiet = Quiet(row, folder)
    ops.extensions[EXTENSION] = dataclasses.replace(sibling_of(ops), host=quiet)
    module = project.modules.folder / f"{broken}.py"
    return Console(host, ops, project.root / "instance", module)
