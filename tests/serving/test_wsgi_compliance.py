"""Both sides of the wall keep to PEP 3333, as the standard library and Werkzeug check it.

A checker stands around the app, where it sees what the wall gives to apps, or around the host,
where it sees what the wall gives to servers. It may find nothing, whatever the app does.

Left out is what a checker dislikes about others: Werkzeug's lint wants an absolute ``Location`` and
takes a HEAD response with a Content-Length for a wrong one; both dislike ``read()`` without a size,
which Werkzeug itself calls.
"""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import io
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from wsgiref.handlers import SimpleHandler
from wsgiref.util import FileWrapper
from wsgiref.validate import validator

import pytest
from werkzeug.middleware.lint import LintMiddleware
from werkzeug.test import EnvironBuilder, run_wsgi_app

import dispatcher
from shared_utils.hosting.settings import mounts, table
from tests.running import PATIENCE, Project, Serve, Server

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

    from tests.conftest import Modules

CALLABLES = Path(__file__).with_name("callables.py")
COMPLAINTS = ("AssertionError", "WSGIWarning", "HTTPWarning", "garbage collected")

OUTSIDE = """\
import dispatcher
from callables import LintMiddleware, validator

def validated():
    return validator(dispatcher.create_app())

def linted():
    return LintMiddleware(dispatcher.create_app())
"""


@dataclasses.dataclass(frozen=True)
class Request:
    path: str
    method: str = "GET"
    body: bytes = b""
    status: int = 200

    @property
    def url(self) -> str:
        return self.path if self.path.startswith("/") else f"/app/{self.path}"

    @property
    def environ(self) -> WSGIEnvironment:
        wrapper = {"wsgi.file_wrapper": FileWrapper}
        return EnvironBuilder(
            self.url, method=self.method, data=self.body, environ_overrides=wrapper
        ).get_environ()


STREAMING = ["list_of", "generator", "lazily", "lazily_empty", "empty", "empty_chunks"]
REQUESTS = [
    *(Request(name) for name in (*STREAMING, "many_chunks", "write", "write_only", "tuple_of")),
    *(Request(name) for name in ("closing?name=a", "closing_empty?name=b")),
    *(Request(name) for name in ("wrapped_file", "wrapped_memory?name=c")),
    Request("head", "HEAD"),
    Request("body_of_head", "HEAD"),
    Request("no_content", status=204),
    Request("not_modified", status=304),
    Request("unread", "POST", b"a body"),
    Request("read?size=4", "POST", b"a body"),
    Request("read?size=4&times=1", "POST", b"a body"),
    Request("iterated", "POST", b"first\nlast"),
    Request("raises", status=500),
    Request("raises", "POST", b"a body", 500),
]
REPLACED = [Request("replaced", status=409), Request("replaced_lazily", status=409)]
CUT_OFF = [Request("replaced_too_late"), Request("dies_halfway")]
OF_THE_HOST = [
    Request("/-/live"),
    Request("/-/ready"),
    Request("/nothing", status=404),
    Request("/-/live", "POST", b"a body", 405),
]
HEADS = [Request("/-/live", "HEAD"), Request("raises", "HEAD", status=500)]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "file.txt").write_bytes(b"0123456789" * 100)
    return tmp_path / "files"


# Under real gunicorn.


@pytest.mark.parametrize("checker", ["validated", "linted"])
@pytest.mark.parametrize("side", ["inside", "outside"])
def test_nothing_is_found_under_gunicorn(
    project: Project, serve: Serve, files: Path, side: str, checker: str
) -> None:
    shutil.copy(CALLABLES, project.root)
    (project.root / "outside.py").write_text(OUTSIDE)
    app = checker if side == "inside" else "raw"
    project.operator(f'[mounts.app]\napp = "callables:{app}"\n')
    target = [f"outside:{checker}()"] if side == "outside" else []
    server = serve(*target, environ={"FILES": str(files)})

    heads = [] if checker == "linted" else HEADS
    for request in [*REQUESTS, *REPLACED, *CUT_OFF, *OF_THE_HOST, *heads]:
        assert (request, _status(server, request)) == (request, request.status)
    server.stop()  # what is said at the end of a response comes after its last byte
    found = [line for line in server.lines().splitlines() if any(c in line for c in COMPLAINTS)]
    assert found == []


def _status(server: Server, request: Request) -> int:
    """Return the status of an answer, after reading what there is of its body."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    with contextlib.closing(connection):
        connection.request(
            request.method, request.url, request.body or None, {"Connection": "close"}
        )
        response = connection.getresponse()
        with contextlib.suppress(http.client.HTTPException, ConnectionError):
            response.read()
        return response.status


# In this process, where the server is another one.


def _by_werkzeug(app: WSGIApplication, request: Request) -> int:
    _, status, _ = run_wsgi_app(app, request.environ, buffered=True)
    return int(status.split()[0])


def _by_wsgiref(app: WSGIApplication, request: Request) -> int:
    environ, written = request.environ, io.BytesIO()
    SimpleHandler(environ["wsgi.input"], written, io.StringIO(), environ).run(app)
    return int(written.getvalue().split(None, 2)[1])


@pytest.mark.parametrize("drive", [_by_werkzeug, _by_wsgiref], ids=["werkzeug", "wsgiref"])
@pytest.mark.parametrize("checker", [validator, LintMiddleware], ids=["validated", "linted"])
@pytest.mark.parametrize("side", ["inside", "outside"])
def test_nothing_is_found_in_process(
    project: Project,
    modules: Modules,
    files: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    side: str,
    checker: Callable[[WSGIApplication], WSGIApplication],
    drive: Callable[[WSGIApplication, Request], int],
) -> None:
    monkeypatch.setenv("FILES", str(files))
    module = modules.write(CALLABLES.read_text())
    attribute = {validator: "validated", LintMiddleware: "linted"}[checker]
    app = attribute if side == "inside" else "raw"
    project.operator(f'[mounts.app]\napp = "{module}:{app}"\n')
    of = mounts.Project(root=project.root, operator=project.root / "rowhouse.toml")
    host: WSGIApplication = dispatcher.create_app(table.load(of, {}))
    if side == "outside":
        host = checker(host)

    # An error that a warning is made into would end in the wall: they are kept as warnings.
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        heads = [] if checker is LintMiddleware else HEADS
        # Werkzeug's test client raises whatever a response is replaced for.
        replaced = [] if drive is _by_werkzeug else REPLACED
        for request in [*REQUESTS, *replaced, *OF_THE_HOST, *heads]:
            assert (request, drive(host, request)) == (request, request.status)
    assert [str(warning.message) for warning in warned] == []
    told = caplog.text + capsys.readouterr().err
    assert [complaint for complaint in COMPLAINTS if complaint in told] == []
