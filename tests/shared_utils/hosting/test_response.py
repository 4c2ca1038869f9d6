"""What leaves in which step. Packets of the socket are the calls to the system."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.http import wsgi
from gunicorn.http.errors import InvalidResponseHeader  # type: ignore[attr-defined]

from shared_utils.hosting import response
from shared_utils.hosting.response import TOGETHER, Response

LENGTH_5 = [("Content-Type", "text/plain"), ("Content-Length", "5")]


class Line:
    """A connection on which each step of sending stays apart."""

    def __init__(self) -> None:
        self.server, self.client = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.client.setblocking(False)

    def response(
        self, kind: type[wsgi.Response] = Response, method: str = "GET", version: Any = (1, 1)
    ) -> wsgi.Response:
        request: Any = SimpleNamespace(method=method, version=version, should_close=lambda: False)
        return kind(request, self.server, Config())

    def packets(self) -> list[bytes]:
        packets = []
        try:
            while True:
                packets.append(self.client.recv(1 << 20))
        except BlockingIOError:
            return packets


@pytest.fixture
def line() -> Iterator[Line]:
    made = Line()
    with made.server, made.client:
        yield made


def test_head_and_body_leave_together(line: Line) -> None:
    answer = line.response()
    answer.start_response("200 OK", LENGTH_5)
    answer.write(b"Hello")
    answer.close()
    [packet] = line.packets()
    head, _, body = packet.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nContent-Type: text/plain\r\nContent-Length: 5" in head
    assert body == b"Hello"


def test_chunks_are_framed(line: Line) -> None:
    answer = line.response()
    answer.start_response("200 OK", [])
    answer.write(b"Hello, World!")
    answer.write(b"again")
    answer.close()
    first, *rest = line.packets()
    assert first.endswith(b"Transfer-Encoding: chunked\r\n\r\nD\r\nHello, World!\r\n")
    assert rest == [b"5\r\nagain\r\n", b"0\r\n\r\n"]


def test_large_chunk_is_not_copied(line: Line) -> None:
    answer = line.response()
    answer.start_response("200 OK", [("Content-Length", str(TOGETHER + 1))])
    answer.write(b"x" * (TOGETHER + 1))
    head, body = line.packets()
    assert head.endswith(b"\r\n\r\n")
    assert body == b"x" * (TOGETHER + 1)


@pytest.mark.parametrize(
    ("method", "status", "headers", "chunks"),
    [
        ("GET", "204 No Content", [], []),
        ("GET", "304 Not Modified", LENGTH_5, []),
        ("HEAD", "200 OK", LENGTH_5, [b"Hello"]),
        ("GET", "200 OK", [("Content-Length", "0")], [b"more than it said"]),
        ("GET", "200 OK", [("Content-Length", "0")], []),
    ],
)
def test_head_leaves_without_a_body(
    line: Line, method: str, status: str, headers: list[tuple[str, str]], chunks: list[bytes]
) -> None:
    answer = line.response(method=method)
    answer.start_response(status, headers)
    for chunk in chunks:
        answer.write(chunk)
    answer.close()
    [packet] = line.packets()
    assert packet.startswith(f"HTTP/1.1 {status}\r\n".encode())
    assert packet.endswith(b"\r\n\r\n")
    assert packet.count(b"\r\n\r\n") == 1


def test_empty_first_chunk_sends_the_head_at_once(line: Line) -> None:
    answer = line.response()
    answer.start_response("200 OK", [])
    answer.write(b"")
    assert [packet[-4:] for packet in line.packets()] == [b"\r\n\r\n"]
    answer.write(b"late")
    assert line.packets() == [b"4\r\nlate\r\n"]


def test_head_has_left_where_a_body_is_no_bytes(line: Line) -> None:
    answer = line.response()
    answer.start_response("200 OK", LENGTH_5)
    with pytest.raises(TypeError):
        answer.write("Hello")  # type: ignore[arg-type]
    assert answer.headers_sent
    assert len(line.packets()) == 1


HEADERS = [
    [],
    [*LENGTH_5, ("X-Request-ID", "a"), ("Set-Cookie", "a=b"), ("Set-Cookie", "c=d")],
    [("content-length", " 5\t"), ("x-spaces", " \tvalue  ")],
    [("Connection", "close"), ("Keep-Alive", "timeout=5"), ("X-Kept", "value")],
    [("Connection", "Upgrade"), ("Upgrade", "websocket")],
    [("Upgrade", "h2c")],
    [("X-Latin", "h\xf6rt")],
]


@pytest.mark.parametrize("headers", HEADERS)
@pytest.mark.parametrize("version", [(1, 0), (1, 1)])
def test_is_the_same_as_gunicorns(
    line: Line, headers: list[tuple[str, str]], version: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    date = "Sat, 21 Nov 2026 12:00:00 GMT"
    monkeypatch.setattr(response, "_date", lambda: date)
    monkeypatch.setattr("gunicorn.util.http_date", lambda: date)
    sent = []
    for kind in (wsgi.Response, Response, Response):  # the second time its headers are known
        answer = line.response(kind, version=version)
        answer.start_response("200 OK", headers)
        answer.write(b"Hello")
        answer.close()
        sent.append(b"".join(line.packets()))
    assert sent[0].startswith(b"HTTP/1.")
    assert sent[1:] == sent[:1] * 2


def test_known_name_does_not_vouch_for_its_value(line: Line) -> None:
    for value in ("sound", "sound too"):
        line.response().start_response("200 OK", [("X-Known", value)])
    with pytest.raises(InvalidResponseHeader):
        line.response().start_response("200 OK", [("X-Known", "a\r\nX-Split: b")])


def test_text_of_another_class_is_looked_at(line: Line) -> None:
    class Known(str):
        """Says that it is what is known."""

        __slots__ = ()

        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return hash("X-Known")

    line.response().start_response("200 OK", [("X-Known", "value")])
    with pytest.raises(Exception, match="X-Split"):
        line.response().start_response("200 OK", [(Known("X-Known: a\r\nX-Split"), "b")])


def test_names_are_bounded(line: Line) -> None:
    for number in range(1000):
        line.response().start_response("200 OK", [(f"X-Made-Up-{number}", "value")])
    assert len(response._names) <= 256
    assert not {name.lower() for name in response._names} & {"content-length", "upgrade"}


def test_date_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    for now in (time.time(), 1_800_000_000.9, 1_800_000_001.0):
        monkeypatch.setattr(response, "time", lambda now=now: now)
        for _ in range(2):
            assert parsedate_to_datetime(response._date()).timestamp() == int(now)
