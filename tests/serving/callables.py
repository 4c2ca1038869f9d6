"""WSGI applications that use the corners of HTTP and PEP 3333; tests copy this into a project.

``create_app()`` makes a Flask app: what Flask does is in its views, what needs to be closer to the
server is a plain callable under ``/raw/NAME``. The callables can be served without Flask as well:
``raw``, and with a checker around it, ``validated`` and ``linted``.
"""

from __future__ import annotations

import gzip
import io
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import parse_qs
from wsgiref.validate import validator

from flask import Blueprint, Flask, Response, abort, redirect, request, send_file, url_for
from werkzeug.middleware.lint import LintMiddleware

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

TEXT = ("Content-Type", "text/plain")
OF_ONE_CONNECTION = {"REMOTE_PORT", "SERVER_PORT", "HTTP_X_REQUEST_ID"}

bp = Blueprint("pages", __name__)
closed: dict[str, int] = {}
RAW: dict[str, WSGIApplication] = {}


def files() -> Path:
    """Return the folder whose files all servers of a test send."""
    return Path(os.environ["FILES"])


# What Flask does.


@bp.route("/", methods=["GET", "POST"])
def index() -> str:
    return f"{request.method} {request.get_data()!r}"


@bp.get("/urls/<path:rest>")
def urls(rest: str) -> dict[str, str]:
    return {
        "rest": rest,
        "script_root": request.script_root,
        "url": request.url,
        "internal": url_for(".index"),
        "external": url_for(".index", _external=True),
    }


@bp.get("/slash/")
def slash() -> str:
    return "slash"


@bp.get("/redirect/<where>")
def redirected(where: str) -> Any:
    targets = {"inside": url_for(".index"), "relative": "../", "away": "https://x.example/"}
    return redirect(targets[where])


@bp.post("/form")
def form() -> dict[str, Any]:
    uploads = {name: (file.filename, len(file.read())) for name, file in request.files.items()}
    return {"form": request.form.to_dict(), "files": uploads}


@bp.get("/file")
def file() -> Any:
    return send_file(files() / "file.txt", conditional=True)


@bp.get("/conditional")
def conditional() -> Any:
    response = Response("the same as ever")
    response.set_etag("tag")
    return response.make_conditional(request)


@bp.get("/cookies")
def cookies() -> Response:
    response = Response("|".join(f"{name}={value}" for name, value in request.cookies.items()))
    response.set_cookie("bare", "1", path=None)
    response.set_cookie("root", "2", httponly=True, samesite="Lax")
    response.set_cookie("inside", "3", path="/app/slash")
    response.set_cookie("outside", "4", path="/elsewhere")
    response.set_cookie("domain", "5", domain="example.com")
    response.set_cookie("__Host-strict", "6", secure=True)
    response.delete_cookie("gone")
    return response


@bp.get("/gzip")
def gzipped() -> Response:
    body = gzip.compress(b"text " * 1000, mtime=0)
    return Response(body, headers={"Content-Encoding": "gzip", "Vary": "Accept-Encoding"})


@bp.get("/stream")
def stream() -> Response:
    return Response((f"line {number}\n" for number in range(5)), mimetype="text/plain")


@bp.get("/status/<int:status>")
def status(status: int) -> Any:
    return abort(status) if status >= 400 else ("", status)


@bp.get("/unhandled")
def unhandled() -> str:
    raise RuntimeError("which Flask answers")


# What is closer to the server.


def named(app: WSGIApplication) -> WSGIApplication:
    RAW[app.__name__] = app
    return app


def query(environ: WSGIEnvironment, key: str, default: str = "") -> str:
    given: str = environ["QUERY_STRING"]
    return parse_qs(given).get(key, [default])[0]


class Body:
    """An iterator of its own kind, that counts its calls of ``close()``."""

    def __init__(self, chunks: Iterable[bytes], name: str) -> None:
        self._chunks = iter(chunks)
        self._name = name

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return next(self._chunks)

    def close(self) -> None:
        closed[self._name] = closed.get(self._name, 0) + 1


@named
def environ(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer what the server told of the request."""
    told = {key: value for key, value in environ.items() if type(value) in (str, bool, tuple)}
    lines = [f"{key}={told[key]!r}\n" for key in sorted(told.keys() - OF_ONE_CONNECTION)]
    start_response("200 OK", [TEXT])
    return ["".join(lines).encode()]


@named
def closes(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer how often the body of this name was closed."""
    start_response("200 OK", [TEXT])
    return [b"closed %d times" % closed.pop(query(environ, "name"), 0)]


@named
def list_of(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [TEXT])
    return [b"one", b"two", b"three"]


@named
def tuple_of(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [TEXT, ("Content-Length", "6")])
    return (b"one", b"two")


@named
def generator(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [TEXT])
    return (chunk for chunk in (b"one", b"two"))


@named
def lazily(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Call ``start_response`` when the first chunk is asked for."""
    start_response("200 OK", [TEXT])
    yield b"one"
    yield b"two"


@named
def lazily_empty(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [TEXT])
    yield from ()


@named
def closing(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [TEXT])
    return Body([b"one", b"two"], query(environ, "name"))


@named
def closing_empty(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [TEXT, ("Content-Length", "0")])
    return Body([], query(environ, "name"))


@named
def empty(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [TEXT])
    return []


@named
def empty_chunks(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [TEXT])
    return [b"", b"one", b"", b"two", b""]


@named
def many_chunks(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [TEXT, ("Content-Length", "100000")])
    return (b"x" * 100 for _ in range(1000))


@named
def more_than_said(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [TEXT, ("Content-Length", "4")])
    return Body([b"one", b"two", b"three"], query(environ, "name"))


@named
def less_than_said(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [TEXT, ("Content-Length", "10")])
    return [b"one"]


@named
def no_content(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("204 No Content", [("Content-Length", "0")])
    return []


@named
def not_modified(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("304 Not Modified", [("ETag", '"tag"')])
    return []


@named
def body_of_head(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Return a body whether or not the method is HEAD."""
    start_response("200 OK", [TEXT, ("Content-Length", "3")])
    return [b"one"]


@named
def head(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [TEXT])
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [b"one"]


@named
def write(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    write = start_response("200 OK", [TEXT])
    write(b"written")
    write(b"")
    write(b"again")
    return [b"returned"]


@named
def write_only(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [TEXT, ("Content-Length", "7")])(b"written")
    return []


@named
def replaced(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Start a response and, before it was sent, another one."""
    start_response("200 OK", [TEXT, ("X-First", "1"), ("Content-Length", "100")])
    try:
        raise RuntimeError("too late for 200")
    except RuntimeError:
        start_response("409 Conflict", [TEXT, ("X-Second", "2")], sys.exc_info())
    return [b"sorry"]


@named
def replaced_lazily(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """The same while the body is iterated, after a chunk that has no bytes.

    PEP 3333: headers may go out with the first chunk that has some.
    """
    start_response("200 OK", [TEXT])
    try:
        raise RuntimeError("too late for 200")
    except RuntimeError:
        start_response("409 Conflict", [TEXT], sys.exc_info())
    yield b"sorry"


@named
def replaced_too_late(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """``start_response`` raises the error again where headers have gone out."""
    start_response("200 OK", [TEXT])
    yield b"one"
    try:
        raise RuntimeError("after the headers")
    except RuntimeError:
        start_response("500 Oh", [TEXT], sys.exc_info())
    yield b"never sent"


@named
def dies_halfway(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    headers = [TEXT, ("Content-Length", "10")] if query(environ, "length") else [TEXT]
    start_response("200 OK", headers)
    yield b"one"
    raise RuntimeError("halfway")


@named
def unread(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Do not read the request's body."""
    start_response("200 OK", [TEXT])
    return [b"not read"]


@named
def read(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Read at most ``size`` bytes of the request's body at a time, at most ``times`` times."""
    size, times = int(query(environ, "size", "65536")), int(query(environ, "times", "1000000"))
    stream = environ["wsgi.input"]
    pieces: list[bytes] = []
    while len(pieces) < times and (piece := stream.read(size)):
        pieces.append(piece)
    body = b"".join(pieces)
    start_response("200 OK", [TEXT])
    return [b"%d pieces, %d bytes, %r" % (len(pieces), len(body), body[-20:])]


@named
def read_all(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    body = environ["wsgi.input"].read()
    start_response("200 OK", [TEXT])
    return [body, repr(environ["wsgi.input"].read(10)).encode()]


@named
def lines(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Read the body by lines, in every way there is."""
    stream = environ["wsgi.input"]
    told = [stream.readline(), stream.readline(2), stream.readline(), next(iter(stream))]
    told += [stream.read(1), *stream.readlines(), stream.readline()]
    start_response("200 OK", [TEXT])
    return [repr(told).encode()]


@named
def iterated(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    told = list(environ["wsgi.input"])
    start_response("200 OK", [TEXT])
    return [repr(told).encode()]


@named
def conversation(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer a part before the request's body is there, and the rest after it."""
    start_response("200 OK", [TEXT])
    yield b"your turn"
    yield environ["wsgi.input"].read(4)


@named
def wrapped_file(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Send a file by ``wsgi.file_wrapper``, from an offset and with a length where asked to."""
    opened: IO[bytes] = (files() / query(environ, "of", "file.txt")).open("rb")
    opened.seek(int(query(environ, "offset", "0")))
    length = query(environ, "length")
    start_response("200 OK", [TEXT, ("Content-Length", length)] if length else [TEXT])
    wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](opened, 8192)
    return wrapped


@named
def iterated_file(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Send a file chunk by chunk."""
    start_response("200 OK", [TEXT])
    with (files() / query(environ, "of")).open("rb") as opened:
        while chunk := opened.read(65536):
            yield chunk


class Counted(io.BytesIO):
    """A file in memory, which has no number that sendfile could use."""

    name = ""

    def close(self) -> None:
        if not self.closed:
            closed[self.name] = closed.get(self.name, 0) + 1
        super().close()


@named
def wrapped_memory(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    opened = Counted(b"in memory")
    opened.name = query(environ, "name")
    start_response("200 OK", [TEXT])
    wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](opened, 4)
    return wrapped


@named
def odd_headers(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Headers that are allowed, and unusual."""
    headers = [
        TEXT,
        ("X-Latin", "caf\xe9 \xff"),
        ("X-Space", " \ta b\t "),
        ("x-lOwEr", ""),
        ("Vary", "Accept"),
        ("Link", "</b>; rel=next"),
        ("Vary", "Cookie"),
        ("Link", "</a>; rel=prev"),
        ("Set-Cookie", "b=1; Path=/app/in"),
        ("Connection", "close"),
        ("Keep-Alive", "timeout=9"),
        ("Set-Cookie", "a=2; Path=/app/in"),
        ("Server", "mine"),
        ("content-length", "3"),
    ]
    start_response("299 Odd, but \xe9 allowed", headers)
    return [b"odd"]


@named
def no_reason(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200", [TEXT])
    return [b"gunicorn takes it"]


@named
def early_hints(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    environ["wsgi.early_hints"]([("Link", "</style.css>; rel=preload")])
    start_response("200 OK", [TEXT])
    return [b"after the hints"]


@named
def raises(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    raise RuntimeError("which nobody answers")


def raw(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Pass ``/NAME`` on to the callable of that name."""
    return RAW[environ["PATH_INFO"].lstrip("/")](environ, start_response)


validated = validator(raw)
linted = LintMiddleware(raw)


def create_app() -> Flask:
    """Make the Flask app, with the callables under ``/raw/``."""
    app = Flask(__name__)
    app.register_blueprint(bp)
    of_flask: Callable[..., Iterable[bytes]] = app.wsgi_app

    def both(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        called = RAW.get(environ["PATH_INFO"].removeprefix("/raw/"))
        return called(environ, start_response) if called else of_flask(environ, start_response)

    app.wsgi_app = both  # type: ignore[method-assign]
    return app
