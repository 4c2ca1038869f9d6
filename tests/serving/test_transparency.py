"""A mounted app answers, byte for byte, what it answers alone under the same script name.

``callables.py`` is served twice, by plain gunicorn with ``SCRIPT_NAME=/app`` and mounted under
``/app``. Both get the same bytes, and all that comes back is compared, up to where the server
closes the connection: status lines, headers and their order, bodies with their chunks. What may
differ is documented: a request id, three safe headers, cookie paths.

Not compared: ``OPTIONS *`` and paths outside the prefix, which do not reach the app here, and the
answer to an error that the app lets out, which is the host's here and gunicorn's there.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.requirements import needed
from tests.running import PATIENCE, Project, Server

THREADS = "--threads=512"
LARGE = 64 * 2**20

_DOCUMENTED = re.compile(
    rb"^(?:X-Request-ID|X-Content-Type-Options|Referrer-Policy|X-Frame-Options|Date): .*\r\n",
    re.MULTILINE,
)
_COOKIE_PATH = re.compile(rb"^(Set-Cookie: .*?); Path=/(?:app)?(?=[;\r])", re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class Case:
    """What a client sends; where it waits for an answer in between, what it sends then."""

    name: str
    sent: bytes
    awaited: bytes = b""
    then: bytes = b""


def ask(
    path: str,
    method: str = "GET",
    *fields: str,
    body: bytes = b"",
    version: str = "1.1",
    close: bool = True,
) -> bytes:
    """Return the bytes of a request; the connection closes after it where ``close`` is true."""
    lines = [f"{method} {path} HTTP/{version}", "Host: localhost", *fields]
    if close and version == "1.1":
        lines.append("Connection: close")
    if body and not any(field.startswith("Transfer-Encoding") for field in fields):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def chunked(*chunks: bytes, last: bytes = b"0\r\n\r\n") -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + last


def kept(path: str, method: str = "GET", *fields: str, body: bytes = b"") -> bytes:
    return ask(path, method, *fields, body=body, close=False)


CHUNKED = "Transfer-Encoding: chunked"
FORM = "Content-Type: application/x-www-form-urlencoded"
MULTIPART = "Content-Type: multipart/form-data; boundary=edge"
UPLOAD = (
    b'--edge\r\nContent-Disposition: form-data; name="note"\r\n\r\nhello\r\n'
    b'--edge\r\nContent-Disposition: form-data; name="scan"; filename="a.bin"\r\n'
    b"Content-Type: application/octet-stream\r\n\r\n" + b"\x00\xff" * 400_000 + b"\r\n--edge--\r\n"
)
LINES = b"first\nsecond line\nthird\n\nfifth and last"

METHODS = [
    Case("GET", ask("/app/")),
    Case("HEAD", ask("/app/", "HEAD")),
    Case("POST", ask("/app/", "POST", body=b"a body")),
    Case("POST without a body", ask("/app/", "POST", "Content-Length: 0")),
    Case("POST chunked", ask("/app/", "POST", CHUNKED, body=chunked(b"a ", b"body"))),
    Case("POST a form", ask("/app/form", "POST", FORM, body=b"a=1&b=%C3%A9")),
    Case("POST files", ask("/app/form", "POST", MULTIPART, body=UPLOAD)),
    Case("PUT that is not allowed", ask("/app/", "PUT", body=b"a body")),
    Case("OPTIONS", ask("/app/", "OPTIONS")),
    Case("a method of its own", ask("/app/raw/environ", "BREW")),
    Case(
        "Expect: 100-continue",
        ask("/app/", "POST", "Expect: 100-continue", "Content-Length: 6"),
        awaited=b"100 Continue\r\n\r\n",
        then=b"a body",
    ),
    Case(
        "Expect: 100-continue, not read",
        ask("/app/raw/unread", "POST", "Expect: 100-continue", "Content-Length: 6"),
        awaited=b"not read",
        then=b"a body",
    ),
]

PATHS = [
    Case(f"path {path}", ask(f"/app{path}"))
    for path in (
        "",
        "?a=1",
        "//",
        "/?",
        "/?a=b&c=%20&d=+&e=%C3%A9&=",
        "/slash",
        "/urls/",
        "/urls/a/b",
        "/urls//a",
        "/urls/a%2Fb%20c",
        "/urls/caf%C3%A9",
        "/urls/%FF%FE",
        "/urls/a;b=c,d",
        "/urls/../index",
        "/urls/./x",
        "/%2e%2e/",
        "//app/",
        "/app/",
        "%2Furls/a",
        "/redirect/inside",
        "/redirect/relative",
        "/redirect/away",
    )
] + [
    Case("path in UTF-8", b"GET /app/urls/caf\xc3\xa9 HTTP/1.1\r\nConnection: close\r\n\r\n"),
    Case("an absolute target", ask("http://other.example/app/urls/a")),
    Case("bare prefix by POST", ask("/app", "POST", body=b"a body")),
    Case("bare prefix by HEAD", ask("/app", "HEAD")),
    Case("bare prefix by PUT", ask("/app", "PUT", body=b"a body")),
    *(
        Case(f"environ of {path}", ask(f"/app/raw/environ{path}"))
        for path in ("", "?a=%2F&b", "#c", "?d#e")
    ),
]

HEADERS = [
    Case(
        "headers of a request",
        ask(
            "/app/raw/environ",
            "GET",
            "X-Twice: 1",
            "Accept: */*",
            "x-twice: 2",
            "X-Space: \t a  b \t",
            "X-Empty:",
            "X-Latin: caf\xe9",
            "X_Underscored: dropped",
            "X-Forwarded-For: 192.0.2.1",
            "Content-Type: text/odd",
        ),
    ),
    Case("no Host", b"GET /app/raw/environ HTTP/1.0\r\n\r\n"),
    Case("headers of a response", ask("/app/raw/odd_headers")),
    Case("headers of a response, kept", kept("/app/raw/odd_headers") + ask("/app/")),
    Case("a status without a reason", ask("/app/raw/no_reason")),
    Case("early hints", ask("/app/raw/early_hints")),
    Case("early hints in HTTP/1.0", ask("/app/raw/early_hints", version="1.0")),
    Case("cookies", ask("/app/cookies", "GET", "Cookie: a=1; b=two; a=3")),
]

ANSWERS = [
    *(
        Case(f"{method} a file, {name}", ask("/app/file", method, *fields))
        for method in ("GET", "HEAD")
        for name, fields in {
            "whole": (),
            "a range": ("Range: bytes=5-14",),
            "the end": ("Range: bytes=-7",),
            "several ranges": ("Range: bytes=0-1,5-6",),
            "beyond the end": ("Range: bytes=100000-",),
            "not a range": ("Range: lines=1",),
            "a range if unchanged": ("Range: bytes=0-3", 'If-Range: "other"'),
            "unchanged since": ("If-Modified-Since: Sun, 06 Nov 2044 08:49:37 GMT",),
            "changed since": ("If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT",),
        }.items()
    ),
    Case("a tag that matches", ask("/app/conditional", "GET", 'If-None-Match: "tag"')),
    Case("a weak tag that matches", ask("/app/conditional", "HEAD", 'If-None-Match: W/"tag"')),
    Case("a tag that does not", ask("/app/conditional", "GET", 'If-None-Match: "x"')),
    *(Case(f"status {status}", ask(f"/app/status/{status}")) for status in (201, 204, 304, 399)),
    *(Case(f"error {status}", ask(f"/app/status/{status}")) for status in (400, 403, 404, 503)),
    Case("404", ask("/app/nothing")),
    Case("404 by HEAD", ask("/app/nothing", "HEAD")),
    Case("405", ask("/app/slash/", "POST", body=b"a body")),
    Case("500 that Flask answers", ask("/app/unhandled")),
    Case("gzip", ask("/app/gzip", "GET", "Accept-Encoding: gzip")),
    Case("a stream", ask("/app/stream")),
    Case("a stream by HEAD", ask("/app/stream", "HEAD")),
    Case("a stream in HTTP/1.0", ask("/app/stream", version="1.0")),
]

BODIES = [
    *(
        Case(f"{name}{suffix}", ask(f"/app/raw/{name}", method, version=version))
        for name in (
            "list_of",
            "tuple_of",
            "generator",
            "lazily",
            "lazily_empty",
            "empty",
            "empty_chunks",
            "many_chunks",
            "more_than_said",
            "less_than_said",
            "no_content",
            "not_modified",
            "body_of_head",
            "head",
            "write",
            "write_only",
            "replaced_too_late",
            "wrapped_memory",
        )
        for suffix, method, version in (
            ("", "GET", "1.1"),
            (" by HEAD", "HEAD", "1.1"),
            (" in HTTP/1.0", "GET", "1.0"),
        )
    ),
    Case("dies halfway", ask("/app/raw/dies_halfway")),
    Case("dies halfway of its length", ask("/app/raw/dies_halfway?length=10")),
    *(
        Case(f"wrapped file{suffix}", ask(f"/app/raw/wrapped_file{query}", method, version=version))
        for suffix, query, method, version in (
            ("", "", "GET", "1.1"),
            (" with a length", "?length=1000", "GET", "1.1"),
            (" in part", "?offset=7&length=10", "GET", "1.1"),
            (" from an offset", "?offset=990", "GET", "1.1"),
            (" from its end", "?offset=1000", "GET", "1.1"),
            (" by HEAD", "", "HEAD", "1.1"),
            (" by HEAD, with a length", "?length=1000", "HEAD", "1.1"),
            (" in HTTP/1.0", "", "GET", "1.0"),
            (" in HTTP/1.0, in part", "?offset=7&length=10", "GET", "1.0"),
            (" that is empty", "?of=empty.txt", "GET", "1.1"),
        )
    ),
]

REQUEST_BODIES = [
    Case("lines", ask("/app/raw/lines", "POST", body=LINES)),
    Case("lines, chunked", ask("/app/raw/lines", "POST", CHUNKED, body=chunked(b"fir", LINES))),
    Case("lines of nothing", ask("/app/raw/iterated", "POST", "Content-Length: 0")),
    Case("iterated", ask("/app/raw/iterated", "POST", body=LINES)),
    Case("iterated, chunked", ask("/app/raw/iterated", "POST", CHUNKED, body=chunked(LINES))),
    Case("read at once", ask("/app/raw/read_all", "POST", body=LINES)),
    Case("read at once, chunked", ask("/app/raw/read_all", "POST", CHUNKED, body=chunked(LINES))),
    Case("read, none there", ask("/app/raw/read_all")),
    Case("read, large", ask("/app/raw/read", "POST", body=b"x" * 3_000_000)),
    Case(
        "read, large, chunked",
        ask("/app/raw/read", "POST", CHUNKED, body=chunked(*[b"y" * 70_000] * 20)),
    ),
    Case("read by bytes", ask("/app/raw/read?size=1", "POST", body=LINES)),
    Case(
        "trailers",
        ask("/app/raw/read_all", "POST", CHUNKED, body=chunked(LINES, last=b"0\r\nX-T: 1\r\n\r\n")),
    ),
    Case(
        "the answer begins before the body is sent",
        ask("/app/raw/conversation", "POST", "Content-Length: 4"),
        awaited=b"your turn\r\n",
        then=b"mine",
    ),
    Case("a form in HTTP/1.0", ask("/app/form", "POST", FORM, body=b"a=1", version="1.0")),
]

SECOND = ask("/app/raw/environ?second")
KEPT = [
    Case("two requests", kept("/app/") + SECOND),
    Case("three at once", kept("/app/") + kept("/app/", "POST", body=b"a body") + SECOND),
    Case("after HEAD", kept("/app/file", "HEAD") + SECOND),
    Case("after a 304", kept("/app/conditional", "GET", 'If-None-Match: "tag"') + SECOND),
    Case("after a 204", kept("/app/status/204") + SECOND),
    Case("after a stream", kept("/app/stream") + SECOND),
    Case("after a file", kept("/app/raw/wrapped_file") + SECOND),
    Case("after an error", kept("/app/unhandled") + SECOND),
    Case("after more than was said", kept("/app/raw/more_than_said") + SECOND),
    Case("after an unread body", kept("/app/raw/unread", "POST", body=LINES) + SECOND),
    Case(
        "after an unread body, chunked",
        kept("/app/raw/unread", "POST", CHUNKED, body=chunked(LINES, LINES)) + SECOND,
    ),
    Case(
        "after a body read in part",
        kept("/app/raw/read?size=4&times=1", "POST", body=LINES) + SECOND,
    ),
    Case(
        "after a large body read in part",
        kept("/app/raw/read?size=10&times=1", "POST", body=b"x" * 1_000_000) + SECOND,
    ),
    Case(
        "after a body cut off",
        kept("/app/raw/unread", "POST", CHUNKED, body=b"3\r\nabc\r\nnonsense\r\n") + SECOND,
    ),
    *(
        Case(
            f"in HTTP/1.0, after {name}",
            ask(f"/app/raw/{name}", "GET", "Connection: keep-alive", version="1.0")
            + ask("/app/raw/environ", version="1.0"),
        )
        for name in ("tuple_of", "list_of", "no_content", "not_modified")
    ),
    *(
        Case(
            f"{name} is closed{suffix}",
            kept(f"/app/raw/{name}?name={name}", method) + ask(f"/app/raw/closes?name={name}"),
        )
        for name in ("closing", "closing_empty", "more_than_said", "wrapped_memory")
        for suffix, method in (("", "GET"), (" by HEAD", "HEAD"))
    ),
]

CASES = [*METHODS, *PATHS, *HEADERS, *ANSWERS, *BODIES, *REQUEST_BODIES, *KEPT]


@dataclasses.dataclass(frozen=True)
class Servers:
    mounted: Server
    alone: Server


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    files = tmp_path_factory.mktemp("files")
    (files / "file.txt").write_bytes(b"0123456789" * 100)
    (files / "empty.txt").touch()
    with (files / "large").open("wb") as large:
        large.truncate(LARGE)

    def project(name: str) -> Project:
        made = Project(tmp_path_factory.mktemp(name))
        shutil.copy(Path(__file__).with_name("callables.py"), made.root)
        return made

    hosting, plain = project("mounted"), project("alone")
    hosting.operator('[mounts.app]\napp = "callables:create_app()"\n')
    (plain.root / "gunicorn.conf.py").unlink()
    # Flask's Allow header has the order of a set, which is that of the hashes of strings.
    environ = {"FILES": str(files), "PYTHONHASHSEED": "0"}
    with contextlib.ExitStack() as stack:
        mounted = Server(hosting, THREADS, environ=environ)
        stack.callback(mounted.stop)
        target = ("--worker-class=gthread", "callables:create_app()")
        alone = Server(plain, THREADS, *target, environ={**environ, "SCRIPT_NAME": "/app"})
        stack.callback(alone.stop)
        for server in (mounted, alone):
            assert server.get("/app/").status == 200, server.lines()
        yield Servers(mounted, alone)


def answer(server: Server, case: Case) -> bytes:
    """Return all bytes that come back until the server closes the connection, or resets it."""
    address = ("127.0.0.1", server.port)
    with socket.create_connection(address, timeout=PATIENCE) as client:
        received = bytearray()
        with contextlib.suppress(ConnectionError):
            _send(client, case.sent)
            while case.awaited not in received:
                received += _some(client)
            _send(client, case.then)
            while True:
                received += _some(client)
    return bytes(received)


def _send(client: socket.socket, data: bytes) -> None:
    with contextlib.suppress(ConnectionError):  # what was answered before is there to be read
        client.sendall(data)


def _some(client: socket.socket) -> bytes:
    received = client.recv(2**20)
    if not received:
        raise ConnectionError("closed")
    return received


def but_for_what_differs(answer: bytes) -> list[bytes]:
    return _COOKIE_PATH.sub(rb"\1", _DOCUMENTED.sub(b"", answer)).splitlines(keepends=True)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_mounted_answers_what_it_answers_alone(servers: Servers, case: Case) -> None:
    mounted, alone = answer(servers.mounted, case), answer(servers.alone, case)

    assert alone.startswith(b"HTTP/1.")
    assert case.awaited in alone
    assert but_for_what_differs(mounted) == but_for_what_differs(alone)


@pytest.mark.parametrize("name", ["replaced", "replaced_lazily"])
@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_a_response_that_is_replaced_sends_one_set_of_headers(
    servers: Servers, name: str, version: str
) -> None:
    """gunicorn alone would send both: their lengths contradict each other."""
    case = Case(name, ask(f"/app/raw/{name}", version=version))
    mounted = answer(servers.mounted, case)

    head, _, body = mounted.partition(b"\r\n\r\n")
    assert head.split(b"\r\n")[0].endswith(b" 409 Conflict")
    assert head.lower().count(b"\r\ncontent-type:") == 1
    assert b"X-First" not in head
    assert b"Content-Length" not in head
    assert b"sorry" in body


def test_what_differs_is_what_is_documented(servers: Servers) -> None:
    """The comparison above leaves these out: here they are."""
    case = Case("cookies", ask("/app/cookies", "GET", "X-Request-ID: request-0001"))
    fields = answer(servers.mounted, case).partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]
    added = [
        b"X-Content-Type-Options: nosniff",
        b"Referrer-Policy: strict-origin-when-cross-origin",
        b"X-Frame-Options: SAMEORIGIN",
        b"X-Request-ID: request-0001",
    ]
    assert fields[-4:] == added
    cookies = [field.partition(b": ")[2] for field in fields if field.startswith(b"Set-Cookie")]
    assert cookies == [
        b"bare=1; Path=/app",
        b"root=2; HttpOnly; SameSite=Lax; Path=/app",
        b"inside=3; Path=/app/slash",
        b"outside=4; Path=/elsewhere",
        b"domain=5; Domain=example.com; Path=/app",
        b"__Host-strict=6; Secure; Path=/",
        b"gone=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/app",
    ]


@pytest.mark.parametrize("kind", ["mounted", "alone"])
@pytest.mark.parametrize("length", ["", f"&length={LARGE}"], ids=["chunked", "with a length"])
def test_a_wrapped_file_is_sent_by_sendfile(servers: Servers, kind: str, length: str) -> None:
    """Linux counts bytes that sendfile(2) sends as written, but not those that send(2) does.

    The second request is answered on the same connection, after the counters were brought up.
    """
    server: Server = getattr(servers, kind)
    [worker] = server.workers()
    counters = Path(f"/proc/{worker}/io")
    needed(counters if counters.exists() else None, "the kernel's accounting of I/O")
    case = Case("", kept(f"/app/raw/wrapped_file?of=large{length}") + SECOND)

    before = written(counters)
    received = answer(server, case)

    assert len(received) > LARGE
    assert b"QUERY_STRING='second'" in received[-5000:]
    assert LARGE <= written(counters) - before < 2 * LARGE


def test_a_file_that_is_iterated_is_not(servers: Servers) -> None:
    """What the test above counts tells one from the other."""
    [worker] = servers.alone.workers()
    counters = Path(f"/proc/{worker}/io")
    needed(counters if counters.exists() else None, "the kernel's accounting of I/O")
    case = Case("", kept("/app/raw/iterated_file?of=large") + SECOND)

    before = written(counters)
    received = answer(servers.alone, case)

    assert len(received) > LARGE
    assert written(counters) - before < LARGE // 2


def written(counters: Path) -> int:
    """Return the bytes that a process has written, as far as the kernel counts them."""
    [line] = [line for line in counters.read_text().splitlines() if line.startswith("wchar:")]
    return int(line.split()[1])
