"""Projects in temporary folders: Rowhouse with apps of its own, and the same apps without it.

The apps are plain Flask and have never heard of Rowhouse: no ``configure_app``, no import of ours.
Bytecode is compiled beforehand, so that no start has to.
"""

from __future__ import annotations

import compileall
import shutil
from collections.abc import Sequence
from pathlib import Path

from flask import Flask
from flask.sessions import SecureCookieSessionInterface

from benchmarks import halves

ROOT = Path(__file__).resolve().parent.parent

_OURS = ("config.py", "dispatcher.py", "gunicorn.conf.py", "shared_utils")

_HELLO = """\
import random

from flask import Flask


def create_app():
    app = Flask(__name__)

    @app.get("/")
    def hello():
        return "Hello, World!"

    @app.get("/any")
    def any_length():
        return "x" * random.randrange(1, 5000)

    return app


def create_keyed_app():
    app = create_app()
    app.config["SECRET_KEY"] = "for a benchmark"
    app.config["SESSION_COOKIE_NAME"] = "hello_session"
    return app
"""

_SITE = """\
import os

from flask import Blueprint, Flask, render_template

bp = Blueprint("pages", __name__)


@bp.get("/")
def index():
    return render_template("index.html", title=__name__, process=os.getpid())


def create_app():
    app = Flask(__name__)
    app.register_blueprint(bp)
    return app
"""

_INDEX = """\
<!doctype html>
<title>{{ title }}</title>
<p>Answered by process <b>{{ process }}</b>.
"""

_NEIGHBOUR = """\
import threading
import time

from flask import Flask, Response

LARGE = bytes(5_000_000)


def create_app():
    app = Flask(__name__)

    @app.get("/hang")
    def hang():
        threading.Event().wait()

    @app.get("/slow")
    def slow():
        time.sleep(0.2)
        return "slow"

    @app.get("/brief")
    def brief():
        time.sleep(0.005)
        return "brief"

    @app.get("/compute")
    def compute():
        until = time.thread_time() + 0.05
        while time.thread_time() < until:
            sum(range(1000))
        return "computed"

    @app.get("/large")
    def large():
        return Response(LARGE, mimetype="application/octet-stream")

    return app
"""

_NEIGHBOURS = {
    "hello.py": _HELLO,
    "healthy.py": "from hello import create_keyed_app as create_app\n",
    "neighbour.py": _NEIGHBOUR,
}

_UNWALLED = """\
import dispatcher
from halves import divided
from shared_utils.hosting.dispatching import BoundedDispatcher
from shared_utils.hosting.edge import Edge
from shared_utils.hosting.pages import row_of


def create_app():
    host = dispatcher.create_app()
    app = row_of(host).mounts["healthy"].flask_app
    paths = BoundedDispatcher(host.wsgi_app, {"/healthy": app})
    unwalled = Edge(paths, recorder=row_of(host).recorder)
    host.wsgi_app = divided(host.wsgi_app, unwalled)
    return host
"""

_UNRECORDED = """\
import random

import dispatcher
from halves import divided, here
from shared_utils.hosting.telemetry.own_headers import with_own
from shared_utils.hosting.telemetry.record import Record, current
from shared_utils.logging import app_name, request_id


def create_app():
    host = dispatcher.create_app()
    inside = host.wsgi_app._app

    def outermost(environ, start_response):
        given = environ["HTTP_X_REQUEST_ID"] = f"{random.getrandbits(64):016x}"
        request_id.set(given)
        app_name.set("")
        try:
            record = here.record
        except AttributeError:
            record = here.record = Record()  # only for what is known of headers, so one is enough
        record.request_id, record.known, record.to_send = given, None, None
        current.set(record)

        def start(status, headers, exc_info=None):
            headers, _ = with_own(headers, record)
            return start_response(status, headers, exc_info)

        return inside(environ, start)

    host.wsgi_app = divided(host.wsgi_app, outermost)
    return host
"""

_DISPATCHED = """\
from importlib import import_module

from werkzeug.exceptions import NotFound
from werkzeug.middleware.dispatcher import DispatcherMiddleware

NAMES = {names!r}


def create_app():
    apps = {{f"/{{name}}": import_module(name).create_app() for name in NAMES}}
    return DispatcherMiddleware(NotFound(), apps)
"""


def names(count: int) -> list[str]:
    """Return names of sites."""
    return [f"site{number:03}" for number in range(count)]


def hello_alone(folder: Path) -> Path:
    """Write ``hello.py``, a hello-world in Flask: ``hello:create_app()``.

    ``hello:create_keyed_app()`` is the same with a ``SECRET_KEY`` of its own.
    """
    return _written(folder, {"hello.py": _HELLO})


def session_cookie() -> str:
    """Return the cookie that carries a session of the one with a key."""
    app = Flask("hello")
    app.secret_key = "for a benchmark"
    serializer = SecureCookieSessionInterface().get_signing_serializer(app)
    assert serializer is not None
    return f"hello_session={serializer.dumps({'name': 'ann'})}"


def hello_dispatched(folder: Path) -> Path:
    """Write it with Werkzeug's dispatcher in front of it: ``dispatched:create_app()``."""
    return _written(
        folder, {"hello.py": _HELLO, "dispatched.py": _DISPATCHED.format(names=["hello"])}
    )


def hello_mounted(folder: Path, factory: str = "create_app") -> Path:
    """Write it into a Rowhouse, mounted by the operator file."""
    mount = f'[mounts.hello]\napp = "hello:{factory}()"\n'
    return rowhouse(folder, {"hello.py": _HELLO, "rowhouse.toml": mount})


def keyed_mounted(folder: Path) -> Path:
    """Write the one with a key into a Rowhouse."""
    return hello_mounted(folder, "create_keyed_app")


def recorded(folder: Path) -> Path:
    """Write the one with a key into a Rowhouse.

    ``unrecorded:create_app()`` is the same host, half of whose requests leave no record: those are
    not logged and not counted (``halves.py``); they get an id and the safe headers.
    """
    mount = '[mounts.hello]\napp = "hello:create_keyed_app()"\n'
    files = {"hello.py": _HELLO, "rowhouse.toml": mount, "unrecorded.py": _UNRECORDED}
    return rowhouse(folder, files | {"halves.py": halves.MODULE})


def neighbours_mounted(folder: Path) -> Path:
    """Write two apps into a Rowhouse: ``healthy``, the hello-world with a key, and ``neighbour``.

    The neighbour has ``/hang``, for ever: it is given no deadline; ``/slow``, which takes 200 ms;
    ``/brief``, which takes 5 ms; ``/compute``, which computes for 50 ms; and ``/large``, which
    answers 5 MB.
    ``unwalled:create_app()`` is the same host, where half of the healthy one's requests meet no
    wall (``halves.py``).
    """
    mounts = (
        '[mounts.healthy]\napp = "healthy:create_app()"\n'
        '[mounts.neighbour]\napp = "neighbour:create_app()"\nlimits.deadline = 0\n'
    )
    files = {"rowhouse.toml": mounts, "unwalled.py": _UNWALLED, "halves.py": halves.MODULE}
    return rowhouse(folder, _NEIGHBOURS | files)


def neighbours_dispatched(folder: Path) -> Path:
    """Write the same two with Werkzeug's dispatcher in front: ``dispatched:create_app()``."""
    dispatched = _DISPATCHED.format(names=["healthy", "neighbour"])
    return _written(folder, _NEIGHBOURS | {"dispatched.py": dispatched})


def sites_mounted(folder: Path, count: int, *, load: str = "eager") -> Path:
    """Write small sites into the ``apps/`` of a Rowhouse, with a manifest each."""
    files = {"apps/__init__.py": "", "rowhouse.toml": ""}
    for name in names(count):
        files |= _site(f"apps/{name}") | {f"apps/{name}/app.toml": f'load = "{load}"\n'}
    return rowhouse(folder, files)


def sites_dispatched(folder: Path, count: int) -> Path:
    """Write the same sites with Werkzeug's dispatcher in front: ``dispatched:create_app()``."""
    files = {"dispatched.py": _DISPATCHED.format(names=names(count))}
    for name in names(count):
        files |= _site(name)
    return _written(folder, files)


def sites_alone(folder: Path, count: int) -> Sequence[Path]:
    """Write the same sites, each into a folder of its own: ``NAME:create_app()``."""
    return [_written(folder / name, _site(name)) for name in names(count)]


def rowhouse(folder: Path, files: dict[str, str]) -> Path:
    """Copy what Rowhouse is made of, without its apps, and write ``files`` beside it."""
    folder.mkdir(parents=True)
    for name in _OURS:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, folder / name)
    return _written(folder, files)


def _site(package: str) -> dict[str, str]:
    return {f"{package}/__init__.py": _SITE, f"{package}/templates/index.html": _INDEX}


def _written(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    compileall.compile_dir(folder, quiet=2)
    return folder
