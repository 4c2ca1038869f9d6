"""Fixtures that every test may use: a project of its own, modules of its own, hosts over them."""

from __future__ import annotations

import itertools
import os
import signal
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

import dispatcher
from shared_utils.hosting.pages import row_of
from shared_utils.hosting.settings import mounts, table
from shared_utils.hosting.settings.mounts import Settings
from shared_utils.tasks.testing import recorded
from tests import databases

if TYPE_CHECKING:
    from flask import Flask

# No test depends on how long something takes, and none writes into the repository.
hypothesis.settings.register_profile("rowhouse", deadline=None, database=None)
hypothesis.settings.load_profile("rowhouse")

# Programs that tests start inherit what is ignored here; a shell without job control has Ctrl-C be
# ignored by what it starts in the background.
for _signal in (signal.SIGINT, signal.SIGQUIT):
    if signal.getsignal(_signal) is signal.SIG_IGN:
        signal.signal(_signal, signal.SIG_DFL)

PATIENCE = 20.0
"""Seconds to wait for what comes within milliseconds: no test depends on this number."""

_numbers = itertools.count(1)


@pytest.fixture(autouse=True)
def _all_is_said() -> Iterator[None]:
    """See that what a test has said aside is not logged during the next one."""
    yield
    pause, end = threading.Event(), time.monotonic() + 1  # one may hang, where a test is about that
    while any(thread.name == "rowhouse-log" for thread in threading.enumerate()):
        if time.monotonic() > end:
            break
        pause.wait(0.002)


class Modules:
    """Importable modules of one test, each with a name that no other test has."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names: list[str] = []

    def unique(self, word: str = "app") -> str:
        name = f"rowtest_{word}_{os.getpid()}_{next(_numbers)}"
        self.names.append(name)
        return name

    def write(self, source: str, name: str = "") -> str:
        """Write a module, return its name; dots in ``name`` make packages."""
        name = name or self.unique()
        path = self.folder / f"{name.replace('.', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(source), encoding="utf-8")
        return name

    def package(self, files: dict[str, str], name: str = "") -> str:
        """Write a package of these files, return its name."""
        name = name or self.unique("package")
        for file, source in {"__init__.py": "", **files}.items():
            path = self.folder / name.replace(".", "/") / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(source), encoding="utf-8")
        return name

    def forget(self) -> None:
        for name in list(sys.modules):
            if name.partition(".")[0] in self.names:
                del sys.modules[name]


@pytest.fixture(autouse=True)
def rung() -> Iterator[list[tuple[Any, ...]]]:
    """Bells that a test rings are written down: they would be heard in the repository's folder."""
    with recorded() as bells:
        yield bells


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Modules]:
    folder = tmp_path / "modules"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    made = Modules(folder)
    yield made
    made.forget()


class ProjectFolder:
    """A project in a temporary folder, as ``rowhouse.toml``, ``apps/`` and ``instance/``."""

    def __init__(self, root: Path, modules: Modules) -> None:
        self.root = root
        self.modules = modules
        self.hosts: list[Flask] = []
        for folder in ("apps", "instance"):
            (root / folder).mkdir(parents=True)

    def operator(self, text: str) -> Path:
        return _written(self.root / "rowhouse.toml", text)

    def manifest(self, name: str, text: str = "") -> Path:
        return _written(self.root / "apps" / name / "app.toml", text)

    def instance(self, file: str, text: str) -> Path:
        return _written(self.root / "instance" / file, text)

    def app(self, name: str, source: str, manifest: str = "", package: str = "") -> str:
        """Make an app whose module has this source; return the module's name."""
        module = self.modules.write(source, package or self.modules.unique(name))
        self.manifest(name, f'app = "{module}:create_app()"\n{textwrap.dedent(manifest)}')
        return module

    @property
    def project(self) -> mounts.Project:
        return mounts.Project(root=self.root, operator=self.root / "rowhouse.toml")

    def settings(self, **environ: str) -> Settings:
        return table.load(self.project, environ)

    def host(self, **environ: str) -> Flask:
        """Make the host over this project."""
        host = dispatcher.create_app(self.settings(**environ))
        self.hosts.append(host)
        return host

    def settle(self) -> None:
        """Have the builders of this test's hosts try nothing any more."""
        for host in self.hosts:
            builder = row_of(host).builder
            with builder._changed:
                builder._eager.clear()
                builder._due.clear()


def _written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return path


@pytest.fixture
def project(
    tmp_path: Path, modules: Modules, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ProjectFolder]:
    for variable in list(os.environ):
        if variable.startswith("ROWHOUSE_"):
            monkeypatch.delenv(variable)
    made = ProjectFolder(tmp_path / "project", modules)
    yield made
    made.settle()


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], None]:
    """Wait until something is so, for what has no event to wait on."""

    def wait(is_so: Callable[[], bool]) -> None:
        pause, end = threading.Event(), time.monotonic() + PATIENCE
        while not is_so():
            assert time.monotonic() < end, "it did not come to be"
            pause.wait(0.005)

    return wait


@pytest.fixture(params=databases.KINDS)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Give the URL of an empty database, once on SQLite and once on PostgreSQL."""
    with databases.fresh(request.param, tmp_path / "not made yet") as url:
        yield url


GREETER = """
    from flask import Flask
    from config import configure_app

    def create_app(overrides=None):
        app = Flask(__name__)
        configure_app(app, overrides)

        @app.route("/")
        def index():
            return app.extensions["rowhouse"].name

        return app
"""


@pytest.fixture
def greeter() -> str:
    """Return the source of an app that answers its name."""
    return GREETER
